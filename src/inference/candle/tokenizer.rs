//! Text to tokens and back, from the tables of a GGUF file.

use std::collections::{HashMap, HashSet};

use candle_core::quantized::gguf_file::Value;
use candle_core::quantized::tokenizer::TokenizerFromGguf;
use tokenizers::Tokenizer as Bpe;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

use super::error::LoadError;
use super::gguf::Gguf;

/// Values of `tokenizer.ggml.pre` that load: how text is split before byte pairs are merged.
const SUPPORTED: &[&str] = &["gpt2 with pre-tokenizer qwen2", "llama-bpe", "smollm"];

/// Token types of GGUF files that are never text.
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;

/// Names under which model families end a turn or a text.
const END_NAMES: &[&str] = &[
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "</s>",
];

/// A byte-level BPE tokenizer with the special tokens of its model.
pub struct Tokenizer {
    bpe: Bpe,
    bytes: HashMap<char, u8>,
    special: HashSet<u32>,
    special_texts: Vec<String>,
    ends: HashSet<u32>,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
}

impl Tokenizer {
    /// Builds the tokenizer of `file`, which passed the decoder's checks and is no longer needed.
    pub fn load(file: Gguf) -> Result<Self, LoadError> {
        let unsupported =
            |found: &str| LoadError::UnsupportedTokenizer { found: found.to_owned(), supported: SUPPORTED };
        let kind = file.string("tokenizer.ggml.model")?;
        if kind != "gpt2" {
            return Err(unsupported(kind));
        }
        let pre = file.string("tokenizer.ggml.pre").unwrap_or("missing").to_owned();
        // Names that candle does not know or knows under another name.
        let (split, ignore_merges) = match pre.as_str() {
            "qwen2" | "deepseek-r1-qwen" => ("qwen2", false),
            "llama-bpe" | "llama3" | "llama-v3" => ("llama3", true),
            "smollm" => ("smollm", false),
            other => return Err(unsupported(other)),
        };
        let bos = file.token("tokenizer.ggml.bos_token_id")?;
        let eos = file.token("tokenizer.ggml.eos_token_id")?;
        let turn_ends =
            [file.token("tokenizer.ggml.eot_token_id")?, file.token("tokenizer.ggml.eom_token_id")?];
        let mut content = file.into_content();
        let add_bos = matches!(content.metadata.get("tokenizer.ggml.add_bos_token"), Some(Value::Bool(true)));
        content.metadata.insert("tokenizer.ggml.pre".into(), Value::String(split.into()));
        if ignore_merges {
            content.metadata.insert("tokenizer.ggml.ignore_merges".into(), Value::Bool(true));
        }
        let mut bpe = Bpe::from_gguf(&content).map_err(|error| LoadError::Tokenizer(error.to_string()))?;
        if split == "smollm" {
            let steps: Vec<PreTokenizerWrapper> =
                vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()];
            bpe.with_pre_tokenizer(Some(Sequence::new(steps)));
        }
        let (special, special_texts) = special_tokens(&content.metadata);
        let mut ends: HashSet<u32> = turn_ends.into_iter().flatten().chain(eos).collect();
        ends.extend(
            END_NAMES.iter().filter_map(|name| bpe.token_to_id(name)).filter(|id| special.contains(id)),
        );
        Ok(Self { bpe, bytes: byte_alphabet(), special, special_texts, ends, bos, eos, add_bos })
    }

    /// Number of tokens.
    pub fn vocabulary(&self) -> usize {
        self.bpe.get_vocab_size(true)
    }

    /// Tokens of `prompt`, in which the names of special tokens are special tokens. The beginning-of-text token is
    /// put in front where the model wants one and the prompt has none.
    pub fn encode(&self, prompt: &str) -> Result<Vec<u32>, LoadError> {
        let encoding =
            self.bpe.encode_fast(prompt, false).map_err(|error| LoadError::Tokenizer(error.to_string()))?;
        let mut tokens = encoding.get_ids().to_vec();
        if let Some(bos) = self.bos.filter(|bos| self.add_bos && tokens.first() != Some(bos)) {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    /// `text` with the names of special tokens broken by a space, so that nothing a customer writes can end a turn.
    pub fn defuse(&self, text: &str) -> String {
        let mut text = text.to_owned();
        while let Some(found) = self.special_texts.iter().find(|special| text.contains(special.as_str())) {
            let first = found.chars().next().map_or(0, char::len_utf8);
            text = text.replace(found.as_str(), &format!("{} {}", &found[..first], &found[first..]));
        }
        text
    }

    /// Bytes that a token stands for; none for a special token.
    pub fn bytes(&self, token: u32) -> Vec<u8> {
        if self.special.contains(&token) {
            return Vec::new();
        }
        let text = self.bpe.id_to_token(token).unwrap_or_default();
        let mut out = Vec::with_capacity(text.len());
        for char in text.chars() {
            match self.bytes.get(&char) {
                Some(byte) => out.push(*byte),
                None => out.extend(char.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        out
    }

    /// Whether a token ends the reply.
    pub fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// Name of the beginning-of-text token.
    pub fn bos_text(&self) -> String {
        self.bos.and_then(|token| self.bpe.id_to_token(token)).unwrap_or_default()
    }

    /// Name of the end-of-text token.
    pub fn eos_text(&self) -> String {
        self.eos.and_then(|token| self.bpe.id_to_token(token)).unwrap_or_default()
    }
}

/// Ids and names of the tokens that are no text.
fn special_tokens(metadata: &HashMap<String, Value>) -> (HashSet<u32>, Vec<String>) {
    let list = |key: &str| match metadata.get(key) {
        Some(Value::Array(values)) => values.as_slice(),
        _ => &[],
    };
    let mut ids = HashSet::new();
    let mut texts = Vec::new();
    for (id, (token, kind)) in
        list("tokenizer.ggml.tokens").iter().zip(list("tokenizer.ggml.token_type")).enumerate()
    {
        let kind = match kind {
            Value::I32(kind) => u64::try_from(*kind).unwrap_or(0),
            Value::U32(kind) => u64::from(*kind),
            _ => 0,
        };
        if kind == CONTROL || kind == UNKNOWN {
            ids.insert(id as u32);
            if let Value::String(text) = token
                && text.chars().count() > 1
            {
                texts.push(text.clone());
            }
        }
    }
    (ids, texts)
}

/// The printable stand-ins that byte-level BPE gives to the 256 bytes (GPT-2's `bytes_to_unicode`): printable
/// Latin-1 stands for itself, the others follow from U+0100 on.
fn byte_alphabet() -> HashMap<char, u8> {
    let mut next = 0x100;
    (0..=u8::MAX)
        .map(|byte| {
            let char = char::from(byte);
            if matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) {
                return (char, byte);
            }
            let stand_in = char::from_u32(next).unwrap_or(char);
            next += 1;
            (stand_in, byte)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_alphabet_covers_every_byte_once() {
        let alphabet = byte_alphabet();
        assert_eq!(alphabet.len(), 256);
        assert_eq!(alphabet[&'Ġ'], b' ');
        assert_eq!(alphabet[&'Ċ'], b'\n');
        assert_eq!(alphabet[&'é'], 0xe9);
    }
}
