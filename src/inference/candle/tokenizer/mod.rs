//! Text to tokens and back, from the tables of a GGUF file.
//!
//! Two kinds of vocabulary load. Both become a byte pair encoder of the `tokenizers` crate; they differ in how text is
//! prepared for it and in how a token is spelt:
//!
//! - [`byte_level`]: text is split by a regular expression, and every byte has a printable stand-in (GPT-2, Llama 3, Qwen);
//! - [`sentencepiece`]: text is not split, a space is `▁`, and what no token spells goes byte by byte (Llama 2, Mistral,
//!   Gemma).

mod byte_level;
mod markers;
mod sentencepiece;
mod tables;

use std::collections::{HashMap, HashSet};

use tokenizers::Tokenizer as Bpe;

use self::markers::Markers;
use self::sentencepiece::Pieces;
use self::tables::{Kind, Tables};
use super::error::LoadError;
use super::gguf::Gguf;

/// Kinds of vocabulary that load, with the ways of splitting that are known for them.
const SUPPORTED: &[&str] = &["llama", "gpt2 with pre-tokenizer qwen2", "llama-bpe", "smollm"];

/// Names under which model families end a turn or a text. They count as special whatever type the file gives them: some
/// files call them ordinary.
const END_NAMES: &[&str] = &[
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
];

/// A tokenizer with the special tokens of its model.
pub struct Tokenizer {
    bpe: Bpe,
    spelling: Spelling,
    special: HashSet<u32>,
    markers: Markers,
    ends: HashSet<u32>,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
}

/// How the text of a token stands for bytes.
enum Spelling {
    /// Each character for one byte.
    ByteLevel(HashMap<char, u8>),
    /// As in `SentencePiece`.
    Pieces(Pieces),
}

impl Tokenizer {
    /// Builds the tokenizer of `file`, which passed the decoder's checks and is no longer needed.
    pub fn load(file: Gguf) -> Result<Self, LoadError> {
        let tables = Tables::read(&file)?;
        let mut special = tables.ids(|kind| matches!(kind, Kind::Control | Kind::Unknown));
        special.extend(tables.named(END_NAMES));
        let markers = Markers::new(
            special.iter().filter_map(|id| tables.tokens.get(*id as usize)).map(String::as_str),
            file.string("tokenizer.chat_template").unwrap_or_default(),
        )?;
        let bos = file.token("tokenizer.ggml.bos_token_id")?;
        let eos = file.token("tokenizer.ggml.eos_token_id")?;
        let turn_ends =
            [file.token("tokenizer.ggml.eot_token_id")?, file.token("tokenizer.ggml.eom_token_id")?];
        let mut ends: HashSet<u32> = turn_ends.into_iter().flatten().chain(eos).collect();
        ends.extend(tables.named(END_NAMES));
        let add_bos = file.flag("tokenizer.ggml.add_bos_token")?;
        let (bpe, spelling, wants_bos) = match file.string("tokenizer.ggml.model")? {
            "llama" => {
                let (bpe, pieces) = sentencepiece::build(&file, &tables, &special)?;
                (bpe, Spelling::Pieces(pieces), true)
            }
            "gpt2" => {
                let (bpe, wants_bos) = byte_level::build(file)?;
                (bpe, Spelling::ByteLevel(byte_level::alphabet()), wants_bos)
            }
            other => return Err(unsupported(other)),
        };
        let add_bos = add_bos.unwrap_or(wants_bos);
        Ok(Self { bpe, spelling, special, markers, ends, bos, eos, add_bos })
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

    /// `text` with the names of special tokens and the marks of the chat template broken by a space, so that nothing a
    /// customer writes can end a turn or begin another's.
    pub fn defuse(&self, text: &str) -> String {
        self.markers.defuse(text)
    }

    /// Bytes that a token stands for; none for a special token.
    pub fn bytes(&self, token: u32) -> Vec<u8> {
        if self.special.contains(&token) {
            return Vec::new();
        }
        let text = self.bpe.id_to_token(token).unwrap_or_default();
        match &self.spelling {
            Spelling::ByteLevel(alphabet) => byte_level::bytes(alphabet, &text),
            Spelling::Pieces(pieces) => pieces.bytes(token, &text),
        }
    }

    /// Whether a token ends the reply.
    pub fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// The end-of-text token.
    pub fn eos(&self) -> Option<u32> {
        self.eos
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

fn unsupported(found: &str) -> LoadError {
    LoadError::UnsupportedTokenizer { found: found.to_owned(), supported: SUPPORTED }
}
