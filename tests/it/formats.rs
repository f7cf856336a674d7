//! PDF, Word documents, workbooks and web pages through the process that parses them: what they become, and how hostile
//! ones end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use ponto::conversation::{Clock, WorkspaceId};
use ponto::inference::Embedder;
use ponto::knowledge::{IngestReport, IngestRequest, KnowledgeConfig, Library, Silent};
use ponto::retrieval::Passage;
use ponto::retrieval::index::PassageIndex;
use ponto::retrieval::index::edge::EdgeIndex;
use ponto::store::sqlite::SqliteStore;
use ponto::store::{Documents, Store};
use tempfile::TempDir;

use crate::support::embedder::HashEmbedder;
use crate::support::files::{archive, docx, packed_zeros, paragraph, pdf, pdf_of, table, xlsx};

struct Still;
impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).expect("a time")
    }
}

/// A library, and a folder of files to read.
struct Room {
    library: Library,
    store: Arc<SqliteStore>,
    folder: TempDir,
}

impl Room {
    async fn new(change: impl FnOnce(&mut KnowledgeConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let embedder = Arc::new(HashEmbedder::new());
        let store = Arc::new(SqliteStore::open(&folder.path().join("ponto.db")).await.unwrap());
        let info = embedder.info();
        let index =
            EdgeIndex::open(&folder.path().join("index"), info.dimensions, &info.fingerprint).unwrap();
        let mut config = KnowledgeConfig::default();
        config.parsing.program = Some(env!("CARGO_BIN_EXE_ponto").into());
        change(&mut config);
        let library = Library::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::new(index) as Arc<dyn PassageIndex>,
            embedder,
            Arc::new(Still),
            config,
        );
        std::fs::create_dir(folder.path().join("kb")).unwrap();
        Self { library, store, folder }
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.folder.path().join("kb").join(name), content).unwrap();
    }

    async fn ingest(&self, prune: bool) -> IngestReport {
        let patterns = vec![self.folder.path().join("kb").to_string_lossy().into_owned()];
        let request = IngestRequest { patterns, prune, ..IngestRequest::default() };
        self.library.ingest(&shop(), request, &Silent).await.unwrap()
    }

    /// The passages of the document whose source ends like this, in order.
    async fn passages(&self, ending: &str) -> Vec<Passage> {
        let sources = self.store.sources(&shop(), "").await.unwrap();
        let (id, _) = sources.into_iter().find(|(_, source)| source.ends_with(ending)).expect("a document");
        self.store.passages(&shop(), &id).await.unwrap()
    }
}

fn shop() -> WorkspaceId {
    WorkspaceId("shop".into())
}

/// Headings and text.
fn said(passages: &[Passage]) -> Vec<(String, &str)> {
    passages.iter().map(|passage| (passage.heading_path.join(" > "), passage.text.as_str())).collect()
}

const WORDS: &str =
    "Você tem trinta dias corridos para devolver o que comprou na nossa loja, sem custo de envio.";

#[tokio::test]
async fn a_pdf_keeps_its_headings_lists_and_tables() {
    let room = Room::new(|_| {}).await;
    let page = |number: &'static str, lines: Vec<_>| {
        [vec![(9, 60, 810, "Casa Marea, ajuda")], lines, vec![(9, 280, 30, number)]].concat()
    };
    room.write(
        "trocas.pdf",
        &pdf(&[
            page(
                "1",
                vec![
                    (20, 60, 760, "Trocas e devoluções"),
                    (11, 60, 720, WORDS),
                    (11, 60, 706, "O reembolso é feito em até dez dias úteis após a recepção do pro-"),
                    (11, 60, 692, "duto no nosso armazém. Perché così? ¿Cuánto cuesta al niño?"),
                    (11, 60, 660, "Não aceitamos devolução de:"),
                    (11, 60, 646, "• café aberto"),
                    (11, 60, 632, "• toalhas usadas"),
                ],
            ),
            page(
                "2",
                vec![
                    (15, 60, 760, "Custos por país"),
                    (11, 60, 730, "País"),
                    (11, 200, 730, "Prazo"),
                    (11, 340, 730, "Custo"),
                    (11, 60, 714, "Brasil"),
                    (11, 200, 714, "5 dias"),
                    (11, 340, 714, "R$ 10,00"),
                    (11, 60, 698, "España"),
                    (11, 200, 698, "7 días"),
                    (11, 340, 698, "5 €"),
                ],
            ),
            page("3", vec![(15, 60, 760, "Pagamento"), (11, 60, 730, "Aceitamos cartão, boleto e Pix.")]),
        ]),
    );
    let report = room.ingest(false).await;
    assert_eq!((report.added, report.failed.len()), (1, 0), "{report:?}");
    let passages = room.passages("trocas.pdf").await;
    let said = said(&passages);
    assert!(said.iter().all(|(_, text)| !text.contains("Casa Marea")), "{said:#?}");
    assert_eq!(said[0].0, "");
    assert!(
        said[0].1.contains("do produto no nosso armazém. Perché così? ¿Cuánto cuesta al niño?"),
        "{said:#?}"
    );
    assert!(said[0].1.ends_with("devolução de:\n\n- café aberto\n- toalhas usadas"), "{said:#?}");
    assert_eq!(
        said[1],
        (
            "Custos por país".to_owned(),
            "| País | Prazo | Custo |\n| --- | --- | --- |\n| Brasil | 5 dias | R$ 10,00 |\n| España | 7 días | 5 € |"
        )
    );
    assert_eq!(said[2], ("Pagamento".to_owned(), "Aceitamos cartão, boleto e Pix."));
    assert_eq!(passages[0].title, "Trocas e devoluções");
}

#[tokio::test]
async fn a_pdf_without_headings_is_cut_by_its_pages() {
    let room = Room::new(|_| {}).await;
    room.write(
        "x.pdf",
        &pdf(&[vec![(11, 60, 700, "The first page.")], vec![(11, 60, 700, "The second page.")]]),
    );
    assert_eq!(room.ingest(false).await.added, 1);
    let passages = room.passages("x.pdf").await;
    assert_eq!(
        said(&passages),
        [("p. 1".to_owned(), "The first page."), ("p. 2".to_owned(), "The second page.")]
    );
}

#[tokio::test]
async fn a_word_document_keeps_its_headings_lists_and_tables() {
    let room = Room::new(|_| {}).await;
    let item =
        |words: &str| paragraph(r#"<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>"#, words);
    let body = [
        paragraph(r#"<w:pStyle w:val="Heading1"/>"#, "Instalação"),
        paragraph("", "Ligue o aparelho à tomada."),
        paragraph(r#"<w:pStyle w:val="Heading2"/>"#, "Peças"),
        paragraph("", "A caixa contém:"),
        item("cabo"),
        item("parafusos"),
        paragraph(r#"<w:pStyle w:val="Heading1"/>"#, "Modelos"),
        table(&[&["Modelo", "Potência"], &["A1", "100 W"], &["B2", "200 W"]]),
    ];
    room.write("manual.docx", &docx(&body.concat()));
    let report = room.ingest(false).await;
    assert_eq!((report.added, report.failed.len()), (1, 0), "{report:?}");
    let passages = room.passages("manual.docx").await;
    let said = said(&passages);
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(
        said[1].0.ends_with("Peças") && said[1].1 == "A caixa contém:\n\n- cabo\n- parafusos",
        "{said:#?}"
    );
    assert!(
        said[2].1.starts_with("| Modelo | Potência |") && said[2].1.ends_with("| B2 | 200 W |"),
        "{said:#?}"
    );
    let report = room.ingest(false).await;
    assert_eq!((report.unchanged, report.passages), (1, 0), "{report:?}");
}

#[tokio::test]
async fn a_sheet_is_a_document_of_questions_or_of_tables() {
    let room = Room::new(|_| {}).await;
    let questions: &[&[&str]] =
        &[&["Pergunta", "Resposta", "Categoria"], &["Posso trocar?", "Sim, em 30 dias.", "x"]];
    let prices: &[&[&str]] = &[&["Preços de 2026"], &[], &["Produto", "Preço"], &["Copo", "9,50 €"]];
    room.write(
        "loja.xlsx",
        &xlsx(&[("Dúvidas", false, questions), ("Preços", false, prices), ("x", true, prices)]),
    );
    let report = room.ingest(true).await;
    assert_eq!((report.added, report.failed.len()), (2, 0), "hidden sheets are nobody's text: {report:?}");
    let asked = room.passages("loja.xlsx#Dúvidas").await;
    assert_eq!(said(&asked), [("Posso trocar?".to_owned(), "Sim, em 30 dias.")]);
    let priced = room.passages("loja.xlsx#Preços").await;
    assert_eq!(priced[0].title, "loja: Preços");
    assert_eq!(
        said(&priced),
        [(String::new(), "Preços de 2026\n\n| Produto | Preço |\n| --- | --- |\n| Copo | 9,50 € |")]
    );

    let report = room.ingest(true).await;
    assert_eq!((report.unchanged, report.removed), (2, 0), "{report:?}");
    room.write("loja.xlsx", &xlsx(&[("Dúvidas", false, questions)]));
    let report = room.ingest(true).await;
    assert_eq!((report.unchanged, report.removed), (1, 1), "a sheet that is gone is pruned: {report:?}");
}

/// A PDF whose parser calls itself until its stack ends.
fn nested() -> Vec<u8> {
    let depth = 200_000;
    let array = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    format!(
        "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R /X {array} >>\nendobj\ntrailer << /Root 1 0 R >>\n"
    )
    .into_bytes()
}

/// A PDF whose tree of pages is a circle.
fn circle() -> Vec<u8> {
    let file = String::from_utf8(pdf(&[vec![(11, 60, 700, "x")]])).expect("plain");
    file.replace("/Kids [4 0 R ]", "/Kids [2 0 R ]").into_bytes()
}

#[tokio::test]
async fn hostile_files_are_reported_and_the_others_go_on() {
    let room = Room::new(|config| {
        config.parsing.timeout_s = 60.0;
        config.parsing.max_memory_bytes = 400 << 20;
        config.parsing.max_pages = 3;
    })
    .await;
    let good = docx(&paragraph("", "Words."));
    let zeros = vec![0; 300 << 20];
    let bomb = archive(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", &zeros)]);
    drop(zeros);
    assert!(bomb.len() < 1 << 20);
    room.write("bomb.docx", &bomb);
    room.write("bomb.xlsx", &bomb);
    room.write("bomb.pdf", &pdf_of(vec![("/Filter /FlateDecode", packed_zeros(600 << 20))]));
    room.write("cut.docx", &good[..good.len() / 2]);
    room.write("cut.xlsx", &good[..100]);
    room.write("cut.pdf", &pdf(&[vec![(11, 60, 700, "x")]])[..60]);
    room.write("nested.pdf", &nested());
    room.write("circle.pdf", &circle());
    room.write("long.pdf", &pdf(&vec![vec![(11, 60, 700, "x")]; 4]));
    room.write("empty.pdf", &pdf(&[vec![]]));
    room.write("text.pdf", b"This is no PDF.");
    room.write("text.docx", b"This is no archive.");
    room.write("zz-good.docx", &good);
    room.write("zz-good.pdf", &pdf(&[vec![(11, 60, 700, "More words.")]]));
    room.write("zz-good.md", b"Even more.");
    let started = Instant::now();
    let report = room.ingest(false).await;
    assert_eq!(report.added, 3, "{report:#?}");
    assert!(started.elapsed() < Duration::from_mins(2), "{:?}", started.elapsed());
    let message = |name: &str| {
        let failed = report.failed.iter().find(|failure| failure.source.ends_with(&format!("/{name}")));
        failed.unwrap_or_else(|| panic!("{name} is not reported: {report:#?}")).message.clone()
    };
    for (name, says) in [
        ("bomb.docx", "knowledge.parsing.max_ratio"),
        ("bomb.xlsx", "knowledge.parsing.max_ratio"),
        ("bomb.pdf", "knowledge.parsing.max_memory_bytes"),
        ("cut.docx", "damaged"),
        ("cut.xlsx", "damaged"),
        ("cut.pdf", ""),
        ("nested.pdf", ""),
        ("circle.pdf", "no page"),
        ("long.pdf", "knowledge.parsing.max_pages"),
        ("empty.pdf", "OCR"),
        ("text.pdf", "no PDF"),
        ("text.docx", "damaged, or not what its name says"),
    ] {
        assert!(message(name).contains(says), "{name}: {}", message(name));
    }
    assert_eq!(report.failed.len(), 12, "{report:#?}");
}

#[tokio::test]
async fn a_file_that_takes_too_long_is_given_up() {
    let room = Room::new(|config| config.parsing.timeout_s = 0.3).await;
    let page: Vec<_> = (0..60).map(|line| (11, 60, 60 + line * 12, WORDS)).collect();
    room.write("slow.pdf", &pdf(&vec![page; 600]));
    let started = Instant::now();
    let report = room.ingest(false).await;
    assert!(report.failed[0].message.contains("knowledge.parsing.timeout_s"), "{report:?}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_parser_that_is_none_is_reported() {
    for (program, says) in [
        (None, "knowledge.parsing.program"),
        (Some("/nowhere/ponto"), "does not start"),
        (Some("/bin/true"), "gave no answer"),
        (Some("/bin/false"), "its parser failed"),
    ] {
        let room =
            Room::new(|config| config.parsing.program = program.map(|path| Path::new(path).into())).await;
        room.write("x.docx", &docx(&paragraph("", "Words.")));
        room.write("y.html", b"<p>Words.</p>");
        let report = room.ingest(false).await;
        assert_eq!(report.failed.len(), 2, "{program:?}: {report:?}");
        assert!(report.failed.iter().all(|it| it.message.contains(says)), "{program:?}: {report:?}");
    }
}

/// A page with a tag of so many attributes that each is compared with all before it for minutes.
fn endless_tag() -> String {
    let attributes: String = (0..400_000).map(|number| format!(" a{number}")).collect();
    format!("<main><p{attributes}>Words.</p></main>")
}

#[tokio::test]
async fn a_page_that_never_ends_is_given_up_and_the_others_go_on() {
    let room = Room::new(|config| config.parsing.timeout_s = 2.0).await;
    room.write("a-endless.html", endless_tag().as_bytes());
    room.write("b-deep.html", format!("<p>x</p>\n{}", "<div>".repeat(100_000)).as_bytes());
    room.write(
        "c-good.html",
        b"<html lang=en><title>Shop</title><nav>Menu</nav><main><h1>Returns</h1><p>Thirty days.</p></main></html>",
    );
    let started = Instant::now();
    let report = room.ingest(false).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!((report.added, report.failed.len()), (1, 2), "{report:?}");
    assert!(report.failed[0].message.contains("knowledge.parsing.timeout_s"), "{report:?}");
    assert_eq!(report.failed[1].line, Some(2), "{report:?}");
    let passages = room.passages("c-good.html").await;
    assert_eq!((passages[0].title.as_str(), passages[0].text.as_str()), ("Returns", "Thirty days."));
    assert_eq!(room.ingest(false).await.unchanged, 1, "and is not parsed again");
}

#[tokio::test]
async fn a_crawl_outlives_a_page_that_never_ends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let html = |body: String| async move { ([("content-type", "text/html")], body) };
    let home = "<main><p>Help.</p><a href=bomb>b</a> <a href=good>g</a></main>".to_owned();
    let router = axum::Router::new()
        .route("/kb/", axum::routing::get(move || html(home.clone())))
        .route("/kb/bomb", axum::routing::get(move || html(endless_tag())))
        .route("/kb/good", axum::routing::get(move || html("<main><p>Five days.</p></main>".into())));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let room = Room::new(|config| {
        config.parsing.timeout_s = 2.0;
        config.fetch.delay_s = 0.0;
        config.fetch.allow = vec![server.to_string()];
    })
    .await;
    let request =
        IngestRequest { patterns: vec![format!("http://{server}/kb/")], ..IngestRequest::default() };
    let report = room.library.ingest(&shop(), request, &Silent).await.unwrap();
    assert_eq!((report.added, report.failed.len()), (2, 1), "{report:?}");
    assert!(report.failed[0].source.ends_with("/kb/bomb"), "{report:?}");
    assert!(report.failed[0].message.contains("knowledge.parsing.timeout_s"), "{report:?}");
}
