//! Keys and values of the tokens read so far.

use candle_core::{DType, Device, Result, Tensor};

/// Positions added when the cache grows.
const STEP: usize = 256;

/// Keys and values of one sequence, for every layer, as f32. Memory grows in steps up to the longest sequence so
/// far: `2 · layers · kv_heads · head_dim · 4` bytes a token.
pub struct KvCache {
    layers: Vec<Option<Layer>>,
    length: usize,
    limit: usize,
}

/// Shape of both: `[kv_heads, capacity, head_dim]`.
struct Layer {
    keys: Tensor,
    values: Tensor,
}

impl KvCache {
    /// An empty cache for sequences of at most `limit` tokens.
    pub fn new(layers: usize, limit: usize) -> Self {
        Self { layers: (0..layers).map(|_| None).collect(), length: 0, limit }
    }

    /// Tokens held.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Forgets every token past the first `length`.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Counts `tokens` that were put into every layer.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.length += tokens;
    }

    /// Puts the keys and values (`[kv_heads, tokens, head_dim]`) of new tokens behind those of `layer` and returns
    /// all of them, as views.
    pub(super) fn put(&mut self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let (heads, tokens, width) = keys.dims3()?;
        let total = self.length + tokens;
        if total > self.limit {
            return Err(candle_core::Error::Msg(format!("{total} tokens pass the limit of {}", self.limit)));
        }
        let slot = &mut self.layers[layer];
        let capacity = match slot {
            Some(layer) => layer.keys.dim(1)?,
            None => 0,
        };
        if total > capacity {
            let shape = (heads, total.next_multiple_of(STEP).min(self.limit), width);
            let grown = Layer {
                keys: Tensor::zeros(shape, DType::F32, &Device::Cpu)?,
                values: Tensor::zeros(shape, DType::F32, &Device::Cpu)?,
            };
            if let Some(old) = slot.take().filter(|_| self.length > 0) {
                grown.keys.slice_set(&old.keys.narrow(1, 0, self.length)?.contiguous()?, 1, 0)?;
                grown.values.slice_set(&old.values.narrow(1, 0, self.length)?.contiguous()?, 1, 0)?;
            }
            *slot = Some(grown);
        }
        let Some(layer) = slot else { return Err(candle_core::Error::Msg("the cache has no layer".into())) };
        layer.keys.slice_set(keys, 1, self.length)?;
        layer.values.slice_set(values, 1, self.length)?;
        Ok((layer.keys.narrow(1, 0, total)?, layer.values.narrow(1, 0, total)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f32, tokens: usize) -> Tensor {
        Tensor::full(value, (2, tokens, 4), &Device::Cpu).unwrap()
    }

    #[test]
    fn keeps_what_it_was_given_while_growing_and_after_truncation() {
        let mut cache = KvCache::new(1, 600);
        for (value, tokens) in [(1.0, 200), (2.0, 200)] {
            cache.put(0, &row(value, tokens), &row(-value, tokens)).unwrap();
            cache.advance(tokens);
        }
        cache.truncate(250);
        let (keys, values) = cache.put(0, &row(3.0, 1), &row(-3.0, 1)).unwrap();
        assert_eq!(keys.dims(), [2, 251, 4]);
        let column: Vec<f32> =
            keys.get(1).unwrap().narrow(1, 0, 1).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(
            (column[0], column[199], column[200], column[249], column[250]),
            (1.0, 1.0, 2.0, 2.0, 3.0)
        );
        let last: f32 = values.get(0).unwrap().get(250).unwrap().get(0).unwrap().to_scalar().unwrap();
        assert!((last + 3.0).abs() < f32::EPSILON);
    }

    #[test]
    fn refuses_to_pass_its_limit() {
        assert!(KvCache::new(1, 3).put(0, &row(1.0, 4), &row(1.0, 4)).is_err());
    }
}
