//! Keys and values of the tokens read so far, in blocks that sequences share.
//!
//! A block holds [`POSITIONS`] positions of every layer. Full blocks are kept by the tokens that lead to them, so that
//! a prompt that begins as another did is read only from where it parts (as in vLLM; Kwon et al., 2023,
//! <https://arxiv.org/abs/2309.06180>). What no sequence uses is dropped, the least recently used first, where it
//! would pass the limit.

use std::collections::HashMap;
use std::sync::Arc;

use half::f16;

use super::device::cache::Cache;
use super::hyperparameters::Hyperparameters;
use super::kernels::attention::{POSITIONS, head_size};
use super::team::Shared;

/// What a block is made of.
#[derive(Debug, Clone, Copy)]
pub struct BlockShape {
    kv_heads: usize,
    head: usize,
    size: usize,
}

impl BlockShape {
    /// For one model.
    pub fn new(model: &Hyperparameters) -> Self {
        let head = head_size(model.head_dim);
        Self { kv_heads: model.kv_heads, head, size: model.layers * model.kv_heads * head }
    }

    /// Where keys and values of one head in one layer begin.
    pub fn offset(&self, layer: usize, head: usize) -> usize {
        (layer * self.kv_heads + head) * self.head
    }

    /// Bytes of a block.
    pub fn bytes(&self) -> usize {
        self.size * size_of::<f16>()
    }
}

/// Keys and values of [`POSITIONS`] positions.
#[derive(Debug, Clone)]
struct Block(Box<[f16]>);

/// One sequence.
#[derive(Debug, Default)]
pub struct Sequence {
    blocks: Vec<Arc<Block>>,
    /// Of a model on a device, which has no use for blocks.
    pub(super) device: Cache,
    length: usize,
}

impl Sequence {
    /// Tokens read.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether no token was read.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Forgets every token past the first `length`.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        self.blocks.truncate(self.length.div_ceil(POSITIONS));
    }

    /// Counts tokens whose keys and values are on the device.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.length += tokens;
    }

    /// Makes room for `tokens` more and returns where each block begins; those from the first new token on belong to
    /// this sequence alone and may be written.
    pub(super) fn extend(&mut self, shape: BlockShape, tokens: usize) -> Vec<Shared<f16>> {
        let first = self.length / POSITIONS;
        let end = self.length + tokens;
        while self.blocks.len() * POSITIONS < end {
            self.blocks.push(Arc::new(Block(vec![f16::ZERO; shape.size].into_boxed_slice())));
        }
        self.length = end;
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for (index, block) in self.blocks.iter_mut().enumerate() {
            blocks.push(Shared::new(if index < first {
                block.0.as_ptr().cast_mut()
            } else {
                Arc::make_mut(block).0.as_mut_ptr()
            }));
        }
        blocks
    }
}

/// The tokens of a full block, behind a known prefix.
type Key = (u64, [u32; POSITIONS]);

#[derive(Debug)]
struct Known {
    /// Stands for the prefix up to the end of this block; later blocks of a prefix have larger numbers.
    prefix: u64,
    block: Arc<Block>,
    used: u64,
}

/// The blocks that may be needed again.
#[derive(Debug)]
pub struct PrefixCache {
    known: HashMap<Key, Known>,
    limit: usize,
    clock: u64,
    prefixes: u64,
}

impl PrefixCache {
    /// A cache of at most `limit` blocks that no sequence uses.
    pub fn new(limit: usize) -> Self {
        Self { known: HashMap::new(), limit, clock: 0, prefixes: 0 }
    }

    /// A sequence with the longest beginning of `tokens` that is known. At least the last token is left to be read.
    pub fn begin(&mut self, tokens: &[u32]) -> Sequence {
        self.clock += 1;
        let mut sequence = Sequence::default();
        let mut prefix = 0;
        for chunk in tokens[..tokens.len().saturating_sub(1)].as_chunks::<POSITIONS>().0 {
            let Some(known) = self.known.get_mut(&(prefix, *chunk)) else { break };
            known.used = self.clock;
            prefix = known.prefix;
            sequence.blocks.push(known.block.clone());
            sequence.length += POSITIONS;
        }
        sequence
    }

    /// Keeps the full blocks of a sequence that has read `tokens`.
    pub fn keep(&mut self, sequence: &Sequence, tokens: &[u32]) {
        self.clock += 1;
        let mut prefix = 0;
        let tokens = &tokens[..tokens.len().min(sequence.length)];
        for (chunk, block) in tokens.as_chunks::<POSITIONS>().0.iter().zip(&sequence.blocks) {
            let known = self.known.entry((prefix, *chunk)).or_insert_with(|| {
                self.prefixes += 1;
                Known { prefix: self.prefixes, block: block.clone(), used: 0 }
            });
            known.used = self.clock;
            prefix = known.prefix;
        }
        if self.known.len() > self.limit {
            self.drop_oldest();
        }
    }

    /// Drops the least recently used blocks that no sequence holds, the ends of prefixes first.
    fn drop_oldest(&mut self) {
        let mut idle: Vec<(u64, std::cmp::Reverse<u64>, Key)> = self
            .known
            .iter()
            .filter(|(_, known)| Arc::strong_count(&known.block) == 1)
            .map(|(key, known)| (known.used, std::cmp::Reverse(known.prefix), *key))
            .collect();
        idle.sort_unstable();
        for (_, _, key) in idle.iter().take(self.known.len().saturating_sub(self.limit)) {
            self.known.remove(key);
        }
    }

    /// Most blocks kept that no sequence uses.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Blocks kept.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: BlockShape = BlockShape { kv_heads: 1, head: 4, size: 4 };

    /// A sequence that has read `tokens`, each block marked with its last token.
    fn read(cache: &mut PrefixCache, tokens: &[u32]) -> (usize, Sequence) {
        let mut sequence = cache.begin(tokens);
        let known = sequence.len();
        let blocks = sequence.extend(SHAPE, tokens.len() - known);
        for (index, block) in blocks.iter().enumerate().skip(known / POSITIONS) {
            let last = tokens[((index + 1) * POSITIONS).min(tokens.len()) - 1];
            // SAFETY: `extend` gives blocks of the shape, which nobody else holds from there on.
            unsafe { block.at(0).write(f16::from_f32(last as f32)) };
        }
        (known, sequence)
    }

    fn marks(sequence: &Sequence) -> Vec<f32> {
        sequence.blocks.iter().map(|block| block.0[0].to_f32()).collect()
    }

    #[test]
    fn a_prompt_is_read_from_where_it_parts_from_another() {
        let mut cache = PrefixCache::new(100);
        let tokens: Vec<u32> = (0..100).collect();
        let (known, first) = read(&mut cache, &tokens);
        assert_eq!(known, 0);
        cache.keep(&first, &tokens);
        assert_eq!(cache.len(), 3, "full blocks alone");
        let mut other = tokens.clone();
        other[70] = 500;
        let (known, second) = read(&mut cache, &other);
        assert_eq!(known, 64);
        assert_eq!(marks(&second), [31.0, 63.0, 95.0, 99.0]);
        assert_eq!(marks(&first), [31.0, 63.0, 95.0, 99.0]);
        let (known, _) = read(&mut cache, &tokens[..64]);
        assert_eq!(known, 32, "the last token is read again: its scores are wanted");
        let (known, _) = read(&mut cache, &other[1..]);
        assert_eq!(known, 0);
    }

    #[test]
    fn writing_behind_a_shared_block_leaves_it_as_it_is() {
        let mut cache = PrefixCache::new(100);
        let tokens: Vec<u32> = (0..64).collect();
        let (_, sequence) = read(&mut cache, &tokens);
        cache.keep(&sequence, &tokens);
        let mut shared = cache.begin(&(0..65).collect::<Vec<u32>>());
        shared.truncate(40);
        let blocks = shared.extend(SHAPE, 1);
        // SAFETY: the block holds the first new token.
        unsafe { blocks[1].at(0).write(f16::from_f32(7.0)) };
        assert_eq!((marks(&shared), marks(&sequence)), (vec![31.0, 7.0], vec![31.0, 63.0]));
    }

    #[test]
    fn the_oldest_go_first_and_what_is_in_use_stays() {
        let mut cache = PrefixCache::new(4);
        let prompt = |start: u32| (start..start + 64).collect::<Vec<u32>>();
        let (_, held) = read(&mut cache, &prompt(0));
        cache.keep(&held, &prompt(0));
        for start in [1000, 2000, 3000] {
            let (_, sequence) = read(&mut cache, &prompt(start));
            cache.keep(&sequence, &prompt(start));
        }
        let known = |cache: &mut PrefixCache, start: u32| {
            let mut longer = prompt(start);
            longer.push(9);
            cache.begin(&longer).len()
        };
        assert_eq!(known(&mut cache, 0), 64, "in use");
        assert_eq!(known(&mut cache, 1000), 0);
        assert_eq!(known(&mut cache, 2000) + known(&mut cache, 3000), 64);
        drop(held);
    }
}
