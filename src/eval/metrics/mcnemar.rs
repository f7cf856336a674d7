//! The test of `McNemar` (1947) in its exact form: two runs answered the same yes-or-no cases; those on which they differ are
//! throws of a fair coin if neither is better.

use super::binomial::at_most;

/// Cases on which two runs differ, and how likely so uneven a split is by chance.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct McNemar {
    /// Yes in the first run alone.
    pub only_first: usize,
    /// Yes in the second run alone.
    pub only_second: usize,
    /// Two-sided exact p-value; 1 where the runs agree everywhere.
    pub p_value: f64,
}

/// Compares the outcomes of two runs on the same cases.
pub fn mcnemar(pairs: impl IntoIterator<Item = (bool, bool)>) -> McNemar {
    let (mut only_first, mut only_second) = (0, 0);
    for (first, second) in pairs {
        only_first += usize::from(first && !second);
        only_second += usize::from(second && !first);
    }
    let n = only_first + only_second;
    let p_value = if n == 0 { 1.0 } else { (2.0 * at_most(only_first.min(only_second), n, 0.5)).min(1.0) };
    McNemar { only_first, only_second, p_value }
}

#[cfg(test)]
mod tests {
    use super::mcnemar;

    #[test]
    fn equals_the_binomial_tail() {
        let pairs = std::iter::repeat_n((true, false), 1)
            .chain(std::iter::repeat_n((false, true), 9))
            .chain(std::iter::repeat_n((true, true), 50));
        let test = mcnemar(pairs);
        assert_eq!((test.only_first, test.only_second), (1, 9));
        // 2 · (C(10,0) + C(10,1)) / 2^10.
        assert!((test.p_value - 22.0 / 1024.0).abs() < 1e-9, "{test:?}");
        assert!((mcnemar([(true, true)]).p_value - 1.0).abs() < 1e-12);
        assert!((mcnemar([(true, false), (false, true)]).p_value - 1.0).abs() < 1e-12);
    }
}
