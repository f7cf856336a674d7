//! Byte-level vocabularies (`gpt2`): a regular expression splits the text, then pairs of bytes are merged.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;
use candle_core::quantized::tokenizer::TokenizerFromGguf;
use tokenizers::Tokenizer as Bpe;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

use super::super::error::LoadError;
use super::super::gguf::Gguf;
use super::unsupported;

/// The encoder of `file`, and whether its family wants a beginning-of-text token where the file does not say.
pub(super) fn build(file: Gguf) -> Result<(Bpe, bool), LoadError> {
    let pre = file.string("tokenizer.ggml.pre").unwrap_or("missing").to_owned();
    // Names that candle does not know or knows under another name.
    let (split, llama) = match pre.as_str() {
        "qwen2" | "deepseek-r1-qwen" => ("qwen2", false),
        "llama-bpe" | "llama3" | "llama-v3" => ("llama3", true),
        "smollm" => ("smollm", false),
        other => return Err(unsupported(other)),
    };
    let mut content = file.into_content();
    content.metadata.insert("tokenizer.ggml.pre".into(), Value::String(split.into()));
    if llama {
        content.metadata.insert("tokenizer.ggml.ignore_merges".into(), Value::Bool(true));
    }
    let mut bpe = Bpe::from_gguf(&content).map_err(|error| LoadError::Tokenizer(error.to_string()))?;
    if split == "smollm" {
        let steps: Vec<PreTokenizerWrapper> =
            vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()];
        bpe.with_pre_tokenizer(Some(Sequence::new(steps)));
    }
    Ok((bpe, llama))
}

/// The bytes that the characters of a token stand for; a character that is no stand-in stands for itself.
pub(super) fn bytes(alphabet: &HashMap<char, u8>, token: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(token.len());
    for char in token.chars() {
        match alphabet.get(&char) {
            Some(byte) => out.push(*byte),
            None => out.extend(char.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    out
}

/// The printable stand-ins that byte-level BPE gives to the 256 bytes (GPT-2's `bytes_to_unicode`): printable
/// Latin-1 stands for itself, the others follow from U+0100 on.
pub(super) fn alphabet() -> HashMap<char, u8> {
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
    fn the_alphabet_covers_every_byte_once() {
        let alphabet = alphabet();
        assert_eq!(alphabet.len(), 256);
        assert_eq!(alphabet[&'Ġ'], b' ');
        assert_eq!(alphabet[&'Ċ'], b'\n');
        assert_eq!(alphabet[&'é'], 0xe9);
    }

    #[test]
    fn a_token_is_read_byte_by_byte() {
        assert_eq!(bytes(&alphabet(), "Ġaç€"), [b" a\xe7".as_slice(), "€".as_bytes()].concat());
    }
}
