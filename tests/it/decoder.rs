//! The GGUF decoder beside llama.cpp, on the same files.

use std::time::Duration;

use ponto::inference::candle::CandleOptions;
use ponto::inference::candle::chat::load_engine;
use ponto::inference::candle::decoder::Decoder;
use ponto::inference::candle::engine::Engine;
use ponto::inference::candle::gguf::Gguf;
use ponto::inference::candle::team::Team;
use ponto::inference::candle::template::ChatTemplate;
use ponto::inference::candle::tokenizer::Tokenizer;
use ponto::inference::{Budget, ChatMessage, ChatRole, ModelInfo};
use serde_json::{Value, json};

use crate::support::llama::LlamaServer;
use crate::support::models::gguf;
use crate::support::tiny::{Tiny, VOCABULARY};

/// Greedy decoding of two correct implementations parts where two tokens are almost equally likely: llama.cpp keeps
/// keys and values as 16-bit floats and adds in another order. Where ours prefers another token than llama.cpp's,
/// it may prefer it by no more than this many nats.
const NEAR_TIE: f32 = 0.5;

/// Tokens of a reply that are compared.
const REPLY: usize = 32;

/// What is asked: (language, system, user).
const PROMPTS: [(&str, &str, &str); 12] = [
    (
        "pt",
        "És um assistente de uma loja. Responde em português, com uma frase.",
        "Em quanto tempo chega a minha encomenda?",
    ),
    (
        "pt",
        "Responde apenas com base no texto: As devoluções são grátis durante 30 dias.",
        "Posso devolver um casaco depois de 20 dias?",
    ),
    (
        "pt",
        "Resume a mensagem do cliente numa frase.",
        "Olá, comprei uma chaleira na terça-feira e ela chegou partida. Quero um reembolso e não uma troca.",
    ),
    (
        "it",
        "Sei l'assistente di un negozio. Rispondi in italiano, con una frase.",
        "Quali metodi di pagamento accettate?",
    ),
    (
        "it",
        "Rispondi solo in base al testo: Il negozio è aperto dal lunedì al sabato, dalle 9 alle 19.",
        "Siete aperti la domenica?",
    ),
    (
        "it",
        "Traduci in inglese.",
        "Vorrei cambiare l'indirizzo di consegna del mio ordine, è ancora possibile?",
    ),
    (
        "es",
        "Eres el asistente de una tienda. Responde en español, con una frase.",
        "¿Cómo puedo cambiar mi contraseña?",
    ),
    (
        "es",
        "Responde solo según el texto: El envío cuesta 4,90 € y es gratis a partir de 50 €.",
        "¿Cuánto cuesta el envío de un pedido de 60 €?",
    ),
    (
        "es",
        "Clasifica el mensaje: queja, pregunta o elogio.",
        "¡Todo llegó perfecto y antes de lo previsto, muchas gracias!",
    ),
    (
        "en",
        "You are the assistant of a shop. Answer in one sentence.",
        "My parcel says delivered but I have not got it. What now?",
    ),
    (
        "en",
        "Answer from this text alone: Warranty lasts 24 months and covers manufacturing defects.",
        "Does the warranty cover a screen I dropped?",
    ),
    ("en", "List three polite ways to say no.", "Keep them short."),
];

fn turns(system: &str, user: &str) -> Vec<ChatMessage> {
    vec![
        ChatMessage { role: ChatRole::System, content: system.into() },
        ChatMessage { role: ChatRole::User, content: user.into() },
    ]
}

fn ids(tokens: &Value) -> Vec<u32> {
    tokens.as_array().unwrap().iter().map(|token| token.as_u64().unwrap() as u32).collect()
}

/// Follows llama.cpp's greedy reply with our decoder and checks every choice on the way.
/// Returns how many tokens were compared and where ours would have chosen otherwise, with the difference in nats.
async fn follow(engine: &mut Engine, server: &LlamaServer, prompt: &[u32]) -> (usize, Vec<(usize, f32)>) {
    let body = json!({
        "prompt": prompt, "n_predict": REPLY, "temperature": 0, "return_tokens": true, "cache_prompt": false,
    });
    let answer = server.post("/completion", &body).await;
    let theirs = ids(&answer["tokens"]);
    // The end is the last token, or is left out.
    let ended = answer["stop_type"] == "eos" && !theirs.last().is_some_and(|token| engine.is_end(*token));
    let mut logits = engine.read(prompt, &Budget::of(Duration::from_mins(10)), &()).unwrap();
    let mut ties = Vec::new();
    for at in 0..=theirs.len() {
        // Behind its last token llama.cpp chose an end, or was cut.
        let chosen = match theirs.get(at) {
            Some(token) => logits[*token as usize],
            None if ended => ends(engine, &logits),
            None => break,
        };
        let gap = logits[best(&logits)] - chosen;
        assert!(gap <= NEAR_TIE, "token {at} of {theirs:?}: we say {} by {gap} nats", best(&logits));
        if gap > 0.0 {
            ties.push((at, gap));
        }
        if let Some(token) = theirs.get(at) {
            logits = engine.step(&[*token], true).unwrap();
        }
    }
    (theirs.len(), ties)
}

/// The highest score of a token that ends a reply.
fn ends(engine: &Engine, logits: &[f32]) -> f32 {
    (0..logits.len())
        .filter(|token| engine.is_end(*token as u32))
        .map(|token| logits[token])
        .fold(f32::MIN, f32::max)
}

fn best(logits: &[f32]) -> usize {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]).then(b.cmp(a))).unwrap()
}

#[expect(clippy::print_stdout, reason = "near-ties are worth reading even where they pass")]
async fn parity(model: &str) {
    let path = gguf(model).await;
    let server = LlamaServer::start(&path).await;
    let options = CandleOptions { context_length: 2048, ..CandleOptions::default() };
    let mut engine = load_engine(model, &path, "test", options).unwrap();
    let mut compared = 0;
    let mut differences = 0;
    for (language, system, user) in PROMPTS {
        let messages = turns(system, user);
        let prompt = engine.prompt(&messages).unwrap();
        let rendered = server.post("/apply-template", &json!({ "messages": messages })).await;
        assert_eq!(rendered["prompt"], prompt.as_str(), "the rendered prompts differ");
        let tokens = engine.tokens(&prompt).unwrap();
        let split = server.post("/tokenize", &json!({ "content": prompt, "add_special": true })).await;
        assert_eq!(ids(&split["tokens"]), tokens, "the tokens of {prompt:?} differ");
        let (length, ties) = follow(&mut engine, &server, &tokens).await;
        assert!(length > 0, "llama.cpp says nothing to {user:?}");
        println!("{model} {language}: {length} tokens compared, near-ties at {ties:?}");
        compared += length;
        differences += ties.len();
    }
    assert!(
        differences * 20 <= compared,
        "{differences} of {compared} tokens differ: more than ties explain"
    );
}

#[tokio::test]
async fn a_qwen2_model_says_what_llama_cpp_says() {
    parity("qwen2.5-coder-1.5b-instruct").await;
}

#[tokio::test]
async fn a_llama_model_says_what_llama_cpp_says() {
    parity("smollm2-135m-instruct").await;
}

/// The file is that of a base model: it continues texts and has no template for turns.
#[tokio::test]
async fn a_gemma_model_says_what_llama_cpp_says() {
    let name = "gemma-3-270m";
    let path = gguf(name).await;
    let server = LlamaServer::start(&path).await;
    let file = Gguf::open(&path).unwrap();
    let decoder = Decoder::load(&file, 2048).unwrap();
    let tokenizer = Tokenizer::load(file).unwrap();
    let template = ChatTemplate::new("{{ messages[0].content }}", String::new(), String::new()).unwrap();
    let info = ModelInfo {
        backend: "candle".into(),
        model: name.into(),
        fingerprint: "test".into(),
        context_length: decoder.context(),
    };
    let mut engine = Engine::new(decoder.into(), tokenizer, template, info, Team::new("chat", 0).unwrap(), 0);
    let prompts: Vec<String> =
        PROMPTS.iter().map(|(_, system, user)| format!("{system}\n\n{user}\n")).collect();
    // Longer than the window of the local layers, which is 512 tokens.
    let long = prompts.join("\n").repeat(2);
    let (mut compared, mut differences) = (0, 0);
    for prompt in prompts.iter().step_by(3).chain([&long]) {
        let tokens = engine.tokens(prompt).unwrap();
        let (length, ties) = follow(&mut engine, &server, &tokens).await;
        println!("{name}: {length} tokens compared behind {}, near-ties at {ties:?}", tokens.len());
        compared += length;
        differences += ties.len();
    }
    assert!(compared > 100, "llama.cpp says too little: {compared} tokens");
    assert!(
        differences * 20 <= compared,
        "{differences} of {compared} tokens differ: more than ties explain"
    );
}

/// Every family on random weights in 32-bit floats, where nothing but the graph can differ: log-probabilities agree
/// to the last digits that 16-bit keys and values leave.
#[tokio::test]
async fn every_architecture_computes_what_llama_cpp_computes() {
    let folder = tempfile::tempdir().unwrap();
    // The server reports a broken character together with the token that follows: none is wanted here.
    let halves: Vec<Value> = (128..VOCABULARY).map(|token| json!([token, false])).collect();
    for (architecture, head_dim) in [("llama", 16), ("qwen2", 16), ("qwen3", 32), ("gemma3", 32)] {
        let path = folder.path().join(format!("{architecture}.gguf"));
        Tiny::new(architecture, head_dim).write(&path);
        let server = LlamaServer::start(&path).await;
        let options = CandleOptions { context_length: 512, ..CandleOptions::default() };
        let mut engine = load_engine(architecture, &path, "test", options).unwrap();
        let prompt: Vec<u32> = (0..200).map(|i| (i * 7919 % 256) as u32).collect();
        let body = json!({
            "prompt": prompt, "n_predict": 16, "temperature": 0, "return_tokens": true, "n_probs": 1,
            "ignore_eos": true, "logit_bias": halves,
        });
        let answer = server.post("/completion", &body).await;
        let mut logits = engine.read(&prompt, &Budget::of(Duration::from_mins(1)), &()).unwrap();
        let steps = answer["completion_probabilities"].as_array().unwrap();
        assert_eq!(steps.len(), 16, "{architecture}: {answer}");
        for (at, step) in steps.iter().enumerate() {
            let token = step["id"].as_u64().unwrap() as usize;
            let highest = logits.iter().copied().fold(f32::MIN, f32::max);
            let total: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
            let ours = logits[token] - highest - total.ln();
            let theirs = step["logprob"].as_f64().unwrap() as f32;
            assert!((ours - theirs).abs() < 0.05, "{architecture}, token {at}: {ours} and {theirs}");
            logits = engine.step(&[token as u32], true).unwrap();
        }
    }
}
