//! A GGUF file: its metadata read, its tensors memory-mapped.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::gguf_file::{Content, Value};
use memmap2::Mmap;

use super::error::LoadError;
use super::hyperparameters::Hyperparameters;
use super::weights::{self, Raw};

/// What a GGUF file says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The model's name, where given.
    pub name: Option<String>,
    /// Shapes and constants, all checked.
    pub hyperparameters: Hyperparameters,
    /// Whether the file carries a chat template.
    pub chat_template: bool,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Reads and checks the metadata of the file at `path`; no weight is read.
pub fn inspect(path: &Path) -> Result<Summary, LoadError> {
    let file = Gguf::open(path)?;
    let hyperparameters = Hyperparameters::read(&file)?;
    weights::check(&file, &hyperparameters)?;
    Ok(Summary {
        name: file.string("general.name").ok().map(str::to_owned),
        hyperparameters,
        chat_template: file.string("tokenizer.chat_template").is_ok(),
        bytes: file.map.len() as u64,
    })
}

/// An open file.
pub struct Gguf {
    content: Content,
    map: Arc<Mmap>,
}

impl Gguf {
    /// Opens and maps the file and reads its header.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let unreadable = |message: String| LoadError::Unreadable { path: PathBuf::from(path), message };
        let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
        // SAFETY: the map is read-only. As with every memory-mapped file, cutting it while it is in use would end
        // the process; the model cache never writes to a file that has its final name.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| unreadable(error.to_string()))?;
        // A header with absurd values (an alignment of zero) makes the reader panic.
        let content = std::panic::catch_unwind(|| Content::read(&mut Cursor::new(&map[..])))
            .map_err(|_| unreadable("its header makes no sense".into()))?
            .map_err(|error| unreadable(error.to_string()))?;
        Ok(Self { content, map: Arc::new(map) })
    }

    /// What kind of model it is (`general.architecture`).
    pub fn architecture(&self) -> Result<&str, LoadError> {
        self.string("general.architecture")
    }

    /// The header.
    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// The header alone, without the weights.
    pub(super) fn into_content(self) -> Content {
        self.content
    }

    fn value(&self, key: &str) -> Result<&Value, LoadError> {
        self.content.metadata.get(key).ok_or_else(|| LoadError::MissingMetadata { key: key.into() })
    }

    /// A string.
    pub(super) fn string(&self, key: &str) -> Result<&str, LoadError> {
        self.value(key)?.to_string().map(String::as_str).map_err(|_| invalid(key, "is not a string"))
    }

    /// A whole number between 1 and `limit`.
    pub(super) fn count(&self, key: &str, limit: usize) -> Result<usize, LoadError> {
        let value = integer(self.value(key)?).ok_or_else(|| invalid(key, "is not a whole number"))?;
        if value == 0 || value > limit as u64 {
            return Err(invalid(key, &format!("is {value}, which is not between 1 and {limit}")));
        }
        Ok(value as usize)
    }

    /// A token id; `None` where the key is missing.
    pub(super) fn token(&self, key: &str) -> Result<Option<u32>, LoadError> {
        match self.content.metadata.get(key) {
            None => Ok(None),
            Some(value) => integer(value)
                .and_then(|value| u32::try_from(value).ok())
                .map(Some)
                .ok_or_else(|| invalid(key, "is not a token")),
        }
    }

    /// A switch; `None` where the key is missing.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, LoadError> {
        match self.content.metadata.get(key) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(invalid(key, "is neither true nor false")),
        }
    }

    /// A finite positive number.
    pub(super) fn positive(&self, key: &str) -> Result<f64, LoadError> {
        let value = match self.value(key)? {
            Value::F32(value) => f64::from(*value),
            Value::F64(value) => *value,
            _ => return Err(invalid(key, "is not a number")),
        };
        if value.is_finite() && value > 0.0 {
            Ok(value)
        } else {
            Err(invalid(key, &format!("is {value}, which is not positive")))
        }
    }

    /// Length of an array.
    pub(super) fn length(&self, key: &str) -> Result<usize, LoadError> {
        self.value(key)?.to_vec().map(Vec::len).map_err(|_| invalid(key, "is not a list"))
    }

    /// A list of strings.
    pub(super) fn strings(&self, key: &str) -> Result<Vec<String>, LoadError> {
        self.list(key, "strings", |value| value.to_string().ok().cloned())
    }

    /// A list of whole numbers.
    pub(super) fn integers(&self, key: &str) -> Result<Vec<u64>, LoadError> {
        self.list(key, "whole numbers", integer)
    }

    /// A list of numbers.
    pub(super) fn numbers(&self, key: &str) -> Result<Vec<f32>, LoadError> {
        self.list(key, "numbers", |value| value.to_f32().ok())
    }

    /// A list of switches.
    pub(super) fn flags(&self, key: &str) -> Result<Vec<bool>, LoadError> {
        self.list(key, "true and false", |value| value.to_bool().ok())
    }

    fn list<T>(
        &self,
        key: &str,
        what: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, LoadError> {
        let values = self.value(key)?.to_vec().ok();
        values
            .and_then(|values| values.iter().map(read).collect())
            .ok_or_else(|| invalid(key, &format!("is not a list of {what}")))
    }

    /// Whether a value is a list.
    pub(super) fn is_list(&self, key: &str) -> bool {
        matches!(self.content.metadata.get(key), Some(Value::Array(_)))
    }

    /// Whether a key exists.
    pub(super) fn has(&self, key: &str) -> bool {
        self.content.metadata.contains_key(key)
    }

    /// Shapes of all tensors, outermost dimension first.
    pub(super) fn shapes(&self) -> HashMap<&str, &[usize]> {
        self.content.tensor_infos.iter().map(|(name, info)| (name.as_str(), info.shape.dims())).collect()
    }

    /// The tensor `name`, in the mapped file.
    pub(super) fn tensor(&self, name: &str) -> Result<Raw, LoadError> {
        let info = self
            .content
            .tensor_infos
            .get(name)
            .ok_or_else(|| LoadError::MissingTensor { name: name.into() })?;
        Raw::new(&self.map, self.content.tensor_data_offset, name, info)
    }
}

fn invalid(key: &str, message: &str) -> LoadError {
    LoadError::InvalidMetadata { key: key.into(), message: message.into() }
}

fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::U8(value) => Some(u64::from(*value)),
        Value::U16(value) => Some(u64::from(*value)),
        Value::U32(value) => Some(u64::from(*value)),
        Value::U64(value) => Some(*value),
        Value::I8(value) => u64::try_from(*value).ok(),
        Value::I16(value) => u64::try_from(*value).ok(),
        Value::I32(value) => u64::try_from(*value).ok(),
        Value::I64(value) => u64::try_from(*value).ok(),
        _ => None,
    }
}
