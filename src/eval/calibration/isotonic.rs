//! Isotonic regression by pooling adjacent violators (Ayer et al. 1955; Zadrozny and Elkan 2002 for probabilities).

/// A run of rows that got one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Block {
    /// Mean score of its rows.
    pub(super) score: f64,
    /// Mean outcome of its rows.
    pub(super) value: f64,
    /// Number of rows.
    pub(super) rows: f64,
}

/// Blocks of strictly rising score and value, from (score, outcome) pairs in any order. Rows of equal score stay together.
pub(super) fn pool(items: impl IntoIterator<Item = (f64, f64)>) -> Vec<Block> {
    let mut items: Vec<(f64, f64)> = items.into_iter().collect();
    items.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut blocks: Vec<Block> = Vec::new();
    for tied in items.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let rows = tied.len() as f64;
        let value = tied.iter().map(|item| item.1).sum::<f64>() / rows;
        let mut block = Block { score: tied[0].0, value, rows };
        while let Some(last) = blocks.last().copied().filter(|last| last.value >= block.value) {
            blocks.pop();
            block = merged(last, block);
        }
        blocks.push(block);
    }
    blocks
}

fn merged(a: Block, b: Block) -> Block {
    let rows = a.rows + b.rows;
    Block {
        score: (a.score * a.rows + b.score * b.rows) / rows,
        value: (a.value * a.rows + b.value * b.rows) / rows,
        rows,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::pool;

    #[test]
    fn pools_adjacent_violators() {
        // 1, 0 violate → ½; then 0, 1 hold.
        let blocks = pool([(0.1, 0.0), (0.2, 1.0), (0.4, 0.0), (0.9, 1.0)]);
        let values: Vec<f64> = blocks.iter().map(|block| block.value).collect();
        assert_eq!(values, [0.0, 0.5, 1.0]);
        assert!((blocks[1].score - 0.3).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn rises_and_keeps_the_mean(
            items in proptest::collection::vec((0.0..1.0_f64, any::<bool>()), 1..60),
        ) {
            let items: Vec<(f64, f64)> = items.into_iter().map(|(s, y)| (s, f64::from(u8::from(y)))).collect();
            let blocks = pool(items.iter().copied());
            prop_assert!(blocks.windows(2).all(|pair| pair[0].score < pair[1].score && pair[0].value < pair[1].value));
            let mean = items.iter().map(|item| item.1).sum::<f64>() / items.len() as f64;
            let pooled: f64 = blocks.iter().map(|block| block.value * block.rows).sum::<f64>() / items.len() as f64;
            prop_assert!((mean - pooled).abs() < 1e-9);
        }
    }
}
