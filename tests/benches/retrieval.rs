//! Milliseconds a question, and recall of exact search, over synthetic passages: the embedded index beside a real Qdrant
//! server with the same data, in one run. What is timed is the retriever that serves, but for embedding the question.
//!
//! ```text
//! cargo bench --bench retrieval -- [PASSAGES] [QUESTIONS] [embedded|server|both]
//! ```
//!
//! Vectors have 384 dimensions and lie near a plane of 32, as those of real texts lie near few; words follow Zipf's law.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ponto::conversation::{Audience, Labels, Language, WorkspaceId};
use ponto::inference::{Embedder, EmbedderInfo, InferenceError, Purpose};
use ponto::retrieval::index::edge::EdgeIndex;
use ponto::retrieval::index::server::ServerIndex;
use ponto::retrieval::index::{IndexPoint, IndexQuery, PassageIndex, Selection};
use ponto::retrieval::{Passage, RetrievalConfig, Retriever};
use qdrant_client::Qdrant;
use qdrant_client::qdrant::CollectionStatus;

#[path = "../it/support/parts.rs"]
mod parts;
#[path = "../it/support/qdrant.rs"]
#[expect(dead_code, reason = "what the tests do with a server beyond starting it")]
mod qdrant;

const DIMENSIONS: usize = 384;
const PLANE: usize = 32;
const VOCABULARY: usize = 30_000;
const WORDS: usize = 60;
const BATCH: usize = 1_000;
const NEAREST: usize = 10;
const FINGERPRINT: &str = "synthetic";

#[tokio::main]
async fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number =
        |at: usize, default: usize| arguments.get(at).and_then(|it| it.parse().ok()).unwrap_or(default);
    let (passages, questions) = (number(0, 100_000), number(1, 500));
    let which = arguments.get(2).map_or("both", String::as_str);
    let data = Arc::new(Data::new(passages, questions));
    let folder = tempfile::tempdir().expect("a temporary folder");

    if which != "server" {
        let index = EdgeIndex::open(&folder.path().join("edge"), DIMENSIONS, FINGERPRINT).expect("an index");
        let index = Arc::new(index);
        fill("embedded", &*index, &data).await;
        let started = Instant::now();
        index.optimize().await.expect("the index is optimized");
        say(&format!("embedded  optimized in {:.0} s", started.elapsed().as_secs_f64()));
        measure("embedded", index, &data).await;
    }
    if which != "embedded" {
        let server = qdrant::QdrantServer::start(&folder.path().join("server")).await;
        let config = server.config("bench");
        let index = Arc::new(ServerIndex::connect(&config, DIMENSIONS, FINGERPRINT).expect("a server"));
        fill("server", &*index, &data).await;
        let started = Instant::now();
        let url = config.url.clone().unwrap_or_default();
        let client = Qdrant::from_url(&url).api_key(server.key()).skip_compatibility_check().build();
        settled(&client.expect("a client"), &config.collection).await;
        say(&format!("server    settled in {:.0} s", started.elapsed().as_secs_f64()));
        measure("server", index, &data).await;
    }
}

async fn fill(name: &str, index: &dyn PassageIndex, data: &Data) {
    let started = Instant::now();
    let mut next = 0;
    while next < data.passages {
        let end = data.passages.min(next + BATCH);
        let points =
            (next..end).map(|at| IndexPoint { passage: data.passage(at), dense: data.vector(at).to_vec() });
        index.upsert(points.collect()).await.expect("passages are stored");
        next = end;
    }
    say(&format!("{name:<9} {} passages in {:.0} s", data.passages, started.elapsed().as_secs_f64()));
}

/// Waits until the server has built its graphs.
async fn settled(client: &Qdrant, collection: &str) {
    let mut calm = 0;
    while calm < 3 {
        let info =
            client.collection_info(collection).await.expect("the collection").result.unwrap_or_default();
        calm = if info.status() == CollectionStatus::Green { calm + 1 } else { 0 };
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn measure(name: &str, index: Arc<dyn PassageIndex>, data: &Arc<Data>) {
    let embedder: Arc<dyn Embedder> = data.clone();
    let retriever = Retriever::new(Arc::clone(&index), embedder, RetrievalConfig::default());
    let mut times = Vec::new();
    for question in 0..data.questions {
        let text = data.question(question);
        let started = Instant::now();
        let found = retriever.retrieve(&tenant(), &text, Some(Language::En)).await.expect("passages");
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        assert!(!found.is_empty(), "a question finds something");
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    let mut shared = 0;
    let compared = data.questions.min(100);
    for question in 0..compared {
        let dense = data.asked(question);
        let query = IndexQuery {
            text: String::new(),
            language: None,
            only: None,
            selection: Selection::default(),
            dense,
            limit: NEAREST,
        };
        let found = index.search(&tenant(), query).await.expect("passages").dense;
        let exact = data.nearest(question);
        shared += found.iter().filter(|(passage, _)| exact.contains(&passage.ordinal)).count();
    }
    say(&format!(
        "{name:<9} {} questions  p50 {:.1} ms  p99 {:.1} ms  recall@{NEAREST} {:.3}",
        data.questions,
        at(0.5),
        at(0.99),
        shared as f64 / (compared * NEAREST) as f64
    ));
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn tenant() -> WorkspaceId {
    WorkspaceId("bench".into())
}

/// The same passages and questions whenever they are asked for.
struct Data {
    info: EmbedderInfo,
    passages: usize,
    questions: usize,
    /// One after the other.
    vectors: Vec<f32>,
}

impl Data {
    fn new(passages: usize, questions: usize) -> Self {
        let mut random = Random(7);
        let info = EmbedderInfo {
            model: FINGERPRINT.into(),
            fingerprint: FINGERPRINT.into(),
            dimensions: DIMENSIONS,
            max_tokens: 512,
        };
        let plane: Vec<f32> = (0..DIMENSIONS * PLANE).map(|_| random.normal()).collect();
        let mut vectors = Vec::with_capacity(passages * DIMENSIONS);
        for _ in 0..passages {
            let place: Vec<f32> = (0..PLANE).map(|_| random.normal()).collect();
            let on_plane = plane.chunks_exact(PLANE).map(|row| dot(row, &place));
            vectors.extend(unit(on_plane.map(|value| value + 0.5 * random.normal()).collect()));
        }
        Self { info, passages, questions, vectors }
    }

    fn vector(&self, at: usize) -> &[f32] {
        &self.vectors[at * DIMENSIONS..][..DIMENSIONS]
    }

    /// A question lies near some passage.
    fn asked(&self, question: usize) -> Vec<f32> {
        let near = self.vector(question * (self.passages / self.questions).max(1));
        let mut random = Random(!(question as u64));
        unit(near.iter().map(|value| value + 0.02 * random.normal()).collect())
    }

    fn words(random: &mut Random, count: usize) -> String {
        let word = |random: &mut Random| {
            // Zipf's law: the rank is a power of the vocabulary's size.
            let rank = (VOCABULARY as f64).powf(random.uniform()) as usize;
            format!("w{rank:05}")
        };
        (0..count).map(|_| word(random)).collect::<Vec<_>>().join(" ")
    }

    fn passage(&self, at: usize) -> Passage {
        let text = Self::words(&mut Random(0xBEEF + at as u64), WORDS);
        Passage {
            id: uuid::Uuid::from_u128(at as u128).to_string(),
            workspace: tenant(),
            document_id: (at / 8).to_string(),
            title: format!("Document {}", at / 8),
            heading_path: Vec::new(),
            language: Some(Language::En),
            url: None,
            span: (0, text.len()),
            ordinal: at as u32,
            text,
            version: 0,
            audience: Audience::Public,
            labels: Labels::default(),
        }
    }

    fn question(&self, question: usize) -> String {
        format!("{question} {}", Self::words(&mut Random(0xF00D + question as u64), 8))
    }

    /// Ordinals of the passages that exact search finds.
    fn nearest(&self, question: usize) -> Vec<u32> {
        let asked = self.asked(question);
        let mut best: Vec<(f32, u32)> = Vec::new();
        for at in 0..self.passages {
            let score = dot(self.vector(at), &asked);
            if best.len() < NEAREST || score > best[best.len() - 1].0 {
                best.push((score, at as u32));
                best.sort_by(|a, b| b.0.total_cmp(&a.0));
                best.truncate(NEAREST);
            }
        }
        best.into_iter().map(|(_, at)| at).collect()
    }
}

#[async_trait]
impl Embedder for Data {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    /// The vector of the question whose number the text begins with.
    async fn embed(&self, texts: Vec<String>, _: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
        let number = |text: &String| text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
        Ok(texts.iter().map(|text| self.asked(number(text))).collect())
    }
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = dot(&vector, &vector).sqrt();
    vector.into_iter().map(|value| value / length).collect()
}

/// `SplitMix64` (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Nearly normal: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f32 {
        ((0..12).map(|_| self.uniform()).sum::<f64>() - 6.0) as f32
    }
}
