//! `E5S1` → GGUF: the same `Q4_0` blocks in a file that every tool reads.
//!
//! `E5S1` is little-endian: magic, version, sizes (`hidden, layers, heads, feed-forward, vocabulary, positions, types`
//! as i32, `epsilon` as f32, block length as i32), a unigram vocabulary (which the model's `tokenizer.json` holds too),
//! a directory (`name, dtype, count, offset, bytes`) and the tensors at those offsets. `dtype` 0 is f32, 1 is `Q4_0`:
//! 32 weights as an f16 scale and 16 bytes, byte *j* holding weights *j* and *j* + 16, as GGML lays them out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use candle_core::Device;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QStorage, QTensor};

const MAGIC: &[u8; 4] = b"E5S1";
const BLOCK: usize = 32;

/// The file is not what it should be, or the disk refused.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Not this format, or damaged.
    #[error("it is no E5S1 file: {0}")]
    Malformed(&'static str),
    /// A tensor is missing or has the wrong size.
    #[error("its tensor `{0}` is missing or of the wrong size")]
    Tensor(String),
    /// The GGUF could not be written.
    #[error("the GGUF could not be written: {0}")]
    Write(String),
    /// The disk refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Writes the GGUF (architecture `bert`, tensor names as llama.cpp has them) of the `E5S1` file `from` to `to`.
///
/// The same input gives the same bytes.
pub fn gguf_from_e5s1(from: &Path, to: &Path) -> Result<(), ConvertError> {
    let bytes = std::fs::read(from)?;
    let file = E5s1::parse(&bytes)?;
    let tensors = file.tensors()?;
    let metadata = file.metadata();
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(name, value)| (*name, value)).collect();
    let tensors: Vec<(&str, &QTensor)> =
        tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut out = BufWriter::new(File::create(to)?);
    gguf_file::write(&mut out, &metadata, &tensors)
        .map_err(|error| ConvertError::Write(error.to_string()))?;
    out.flush()?;
    out.into_inner().map_err(|error| ConvertError::Write(error.to_string()))?.sync_all()?;
    Ok(())
}

struct E5s1<'a> {
    bytes: &'a [u8],
    hidden: usize,
    layers: usize,
    heads: usize,
    feed_forward: usize,
    vocabulary: usize,
    positions: usize,
    types: usize,
    epsilon: f32,
    directory: BTreeMap<String, Entry>,
}

struct Entry {
    quantized: bool,
    offset: usize,
    bytes: usize,
}

/// Reads little-endian values one after the other.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ConvertError> {
        let end = self.at.checked_add(length).ok_or(ConvertError::Malformed("a length overflows"))?;
        let taken = self.bytes.get(self.at..end).ok_or(ConvertError::Malformed("it ends too early"))?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ConvertError> {
        self.take(N)?.try_into().map_err(|_| ConvertError::Malformed("it ends too early"))
    }

    /// A 32-bit size, which may not be negative.
    fn size(&mut self) -> Result<usize, ConvertError> {
        usize::try_from(i32::from_le_bytes(self.array()?))
            .map_err(|_| ConvertError::Malformed("a size is negative"))
    }

    /// A 64-bit size.
    fn long(&mut self) -> Result<usize, ConvertError> {
        usize::try_from(u64::from_le_bytes(self.array()?))
            .map_err(|_| ConvertError::Malformed("a size is too large"))
    }
}

impl<'a> E5s1<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ConvertError> {
        let mut cursor = Cursor { bytes, at: 0 };
        if cursor.take(4)? != MAGIC {
            return Err(ConvertError::Malformed("its magic is another"));
        }
        if cursor.size()? != 1 {
            return Err(ConvertError::Malformed("its version is not 1"));
        }
        let mut sizes = [0; 7];
        for size in &mut sizes {
            *size = cursor.size()?;
        }
        let [hidden, layers, heads, feed_forward, vocabulary, positions, types] = sizes;
        let epsilon = f32::from_le_bytes(cursor.array()?);
        if cursor.size()? != BLOCK {
            return Err(ConvertError::Malformed("its block length is not 32"));
        }
        let pieces = cursor.size()?;
        cursor.take(4 * 4)?; // ids of the special tokens: tokenizer.json has them
        let blob = cursor.long()?;
        cursor.take((pieces + 1) * 4 + pieces * 4)?; // offsets and scores of the pieces
        cursor.take(blob)?;
        cursor.size()?; // entries of the normalisation map
        let map = cursor.size()?;
        cursor.take(map)?;

        let mut directory = BTreeMap::new();
        for _ in 0..cursor.size()? {
            let length = usize::from(u16::from_le_bytes(cursor.array()?));
            let name = String::from_utf8_lossy(cursor.take(length)?).into_owned();
            let [dtype] = cursor.array()?;
            cursor.size()?; // count: follows from the shape
            let (offset, bytes) = (cursor.long()?, cursor.long()?);
            directory.insert(name, Entry { quantized: dtype == 1, offset, bytes });
        }
        Ok(Self {
            bytes,
            hidden,
            layers,
            heads,
            feed_forward,
            vocabulary,
            positions,
            types,
            epsilon,
            directory,
        })
    }

    fn metadata(&self) -> Vec<(&'static str, Value)> {
        let count = |value: usize| Value::U32(value as u32);
        vec![
            ("general.architecture", Value::String("bert".into())),
            ("general.name", Value::String("multilingual-e5-small".into())),
            ("general.quantization_version", Value::U32(2)),
            ("general.file_type", Value::U32(2)), // mostly Q4_0
            ("bert.block_count", count(self.layers)),
            ("bert.context_length", count(self.positions)),
            ("bert.embedding_length", count(self.hidden)),
            ("bert.feed_forward_length", count(self.feed_forward)),
            ("bert.attention.head_count", count(self.heads)),
            ("bert.attention.layer_norm_epsilon", Value::F32(self.epsilon)),
            ("bert.attention.causal", Value::Bool(false)),
            ("bert.pooling_type", Value::U32(1)), // mean
        ]
    }

    fn tensors(&self) -> Result<Vec<(String, QTensor)>, ConvertError> {
        let (hidden, wide) = (self.hidden, self.feed_forward);
        let mut tensors = vec![
            self.tensor("emb.word", "token_embd.weight", &[self.vocabulary, hidden])?,
            self.tensor("emb.pos", "position_embd.weight", &[self.positions, hidden])?,
            self.tensor("emb.type", "token_types.weight", &[self.types, hidden])?,
            self.tensor("emb.ln.w", "token_embd_norm.weight", &[hidden])?,
            self.tensor("emb.ln.b", "token_embd_norm.bias", &[hidden])?,
        ];
        for layer in 0..self.layers {
            let parts: [(&str, &str, &[usize]); 16] = [
                ("q.w", "attn_q.weight", &[hidden, hidden]),
                ("q.b", "attn_q.bias", &[hidden]),
                ("k.w", "attn_k.weight", &[hidden, hidden]),
                ("k.b", "attn_k.bias", &[hidden]),
                ("v.w", "attn_v.weight", &[hidden, hidden]),
                ("v.b", "attn_v.bias", &[hidden]),
                ("ao.w", "attn_output.weight", &[hidden, hidden]),
                ("ao.b", "attn_output.bias", &[hidden]),
                ("aln.w", "attn_output_norm.weight", &[hidden]),
                ("aln.b", "attn_output_norm.bias", &[hidden]),
                ("fi.w", "ffn_up.weight", &[wide, hidden]),
                ("fi.b", "ffn_up.bias", &[wide]),
                ("fo.w", "ffn_down.weight", &[hidden, wide]),
                ("fo.b", "ffn_down.bias", &[hidden]),
                ("oln.w", "layer_output_norm.weight", &[hidden]),
                ("oln.b", "layer_output_norm.bias", &[hidden]),
            ];
            for (name, gguf, shape) in parts {
                tensors.push(self.tensor(
                    &format!("l{layer}.{name}"),
                    &format!("blk.{layer}.{gguf}"),
                    shape,
                )?);
            }
        }
        Ok(tensors)
    }

    fn tensor(&self, name: &str, gguf: &str, shape: &[usize]) -> Result<(String, QTensor), ConvertError> {
        let wrong = || ConvertError::Tensor(name.into());
        let entry = self.directory.get(name).ok_or_else(wrong)?;
        let dtype = if entry.quantized { GgmlDType::Q4_0 } else { GgmlDType::F32 };
        let count: usize = shape.iter().product();
        if !count.is_multiple_of(dtype.block_size())
            || count / dtype.block_size() * dtype.type_size() != entry.bytes
        {
            return Err(wrong());
        }
        let end = entry.offset.checked_add(entry.bytes).ok_or_else(wrong)?;
        let data = self.bytes.get(entry.offset..end).ok_or_else(wrong)?;
        let tensor = QStorage::from_data(Cow::Borrowed(data), &Device::Cpu, dtype)
            .and_then(|storage| QTensor::new(storage, shape.to_vec()))
            .map_err(|error| ConvertError::Write(error.to_string()))?;
        Ok((gguf.to_string(), tensor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one layer of 32 numbers and nothing in its vocabulary.
    fn tiny() -> Vec<u8> {
        let mut head = Vec::from(*MAGIC);
        for size in [1_i32, 32, 1, 1, 32, 2, 1, 1] {
            head.extend(size.to_le_bytes());
        }
        head.extend(1e-12_f32.to_le_bytes());
        for size in [32_i32, 0, 0, 0, 0, 0] {
            head.extend(size.to_le_bytes());
        }
        head.extend(0_u64.to_le_bytes());
        head.extend([0; 4 + 4 + 4]);
        let mut names: Vec<(String, usize, bool)> = vec![
            ("emb.word".into(), 2 * 32, true),
            ("emb.pos".into(), 32, false),
            ("emb.type".into(), 32, false),
            ("emb.ln.w".into(), 32, false),
            ("emb.ln.b".into(), 32, false),
        ];
        for part in ["q", "k", "v", "ao", "fi", "fo"] {
            names.push((format!("l0.{part}.w"), 32 * 32, true));
            names.push((format!("l0.{part}.b"), 32, false));
        }
        for part in ["aln.w", "aln.b", "oln.w", "oln.b"] {
            names.push((format!("l0.{part}"), 32, false));
        }
        let size = |count: usize, quantized: bool| if quantized { count / 32 * 18 } else { count * 4 };
        let directory: usize =
            4 + names.iter().map(|(name, _, _)| 2 + name.len() + 1 + 4 + 16).sum::<usize>();
        let mut offset = head.len() + directory;
        head.extend((names.len() as u32).to_le_bytes());
        for (name, count, quantized) in &names {
            head.extend((name.len() as u16).to_le_bytes());
            head.extend(name.as_bytes());
            head.push(u8::from(*quantized));
            head.extend((*count as u32).to_le_bytes());
            head.extend((offset as u64).to_le_bytes());
            head.extend((size(*count, *quantized) as u64).to_le_bytes());
            offset += size(*count, *quantized);
        }
        for (seed, (_, count, quantized)) in names.iter().enumerate() {
            head.extend((0..size(*count, *quantized)).map(|i| ((i * 7 + seed) % 60) as u8));
        }
        head
    }

    #[test]
    fn keeps_every_block_and_gives_the_same_bytes_again() {
        let dir = tempfile::tempdir().unwrap();
        let (from, one, two) = (dir.path().join("a"), dir.path().join("1"), dir.path().join("2"));
        let bytes = tiny();
        std::fs::write(&from, &bytes).unwrap();
        gguf_from_e5s1(&from, &one).unwrap();
        gguf_from_e5s1(&from, &two).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());

        let mut file = File::open(&one).unwrap();
        let content = gguf_file::Content::read(&mut file).unwrap();
        assert_eq!(content.tensor_infos.len(), 21);
        let tensor = content.tensor(&mut file, "blk.0.ffn_down.weight", &Device::Cpu).unwrap();
        let entry = &E5s1::parse(&bytes).unwrap().directory["l0.fo.w"];
        assert_eq!(tensor.data().unwrap().as_ref(), &bytes[entry.offset..entry.offset + entry.bytes]);
    }

    #[test]
    fn refuses_what_is_cut_short_or_another_format() {
        let whole = tiny();
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("a");
        for wrong in [&whole[..whole.len() - 1], &whole[..90], b"GGUF....", b""] {
            std::fs::write(&from, wrong).unwrap();
            assert!(gguf_from_e5s1(&from, &dir.path().join("out")).is_err());
        }
    }
}
