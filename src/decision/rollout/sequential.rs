//! A test of "at most this share is wrong" that may be looked at after every verdict.
//!
//! It is a bet against that claim (Waudby-Smith and Ramdas, *Estimating means of bounded random variables by betting*,
//! Journal of the Royal Statistical Society B 86(1), 2024): a wealth of 1 is multiplied by 1 + λ(x − α) for each verdict x, 1 for
//! wrong and 0 for right. As long as replies are wrong with a chance of at most α, whatever happened before, the wealth is a
//! nonnegative supermartingale, so the chance that it *ever* reaches 1/δ is at most δ (Ville's inequality): looking after every
//! verdict costs nothing, unlike with an interval of fixed size. The wealth is shared equally among bets that would be
//! the best ones if 1.25 to 16 times α were wrong, so that a slightly and a grossly broken bound are both found.

/// How many times α each bet supposes to be wrong.
const FACTORS: [f64; 8] = [1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 16.0];

/// No bet supposes that more than this share is wrong.
const MOST: f64 = 0.9;

/// The test as it stands after some verdicts.
#[derive(Debug, Clone, PartialEq)]
pub struct SequentialTest {
    /// Logarithms of the wealth of each bet.
    wealth: [f64; FACTORS.len()],
    verdicts: usize,
    wrong: usize,
}

impl Default for SequentialTest {
    fn default() -> Self {
        Self { wealth: [0.0; FACTORS.len()], verdicts: 0, wrong: 0 }
    }
}

impl SequentialTest {
    /// Takes a verdict on a reply that was to be wrong with a chance of at most `bound`. The bound may differ between
    /// verdicts, as long as it was fixed before each.
    pub fn observe(&mut self, wrong: bool, bound: f64) {
        let bound = bound.clamp(1e-6, 0.5);
        for (wealth, factor) in self.wealth.iter_mut().zip(FACTORS) {
            // 1 + λ(x − α) with the λ that is best if a share of `supposed` is wrong: a ratio of likelihoods.
            let supposed = (factor * bound).min(MOST);
            *wealth += if wrong { (supposed / bound).ln() } else { ((1.0 - supposed) / (1.0 - bound)).ln() };
        }
        self.verdicts += 1;
        self.wrong += usize::from(wrong);
    }

    /// The evidence against the bound: the mean wealth of the bets.
    pub fn evidence(&self) -> f64 {
        self.wealth.iter().map(|log| log.exp()).sum::<f64>() / FACTORS.len() as f64
    }

    /// Whether the bound is refuted, at a chance of at most `false_alarm` that this is ever said of a bound that holds.
    pub fn refuted(&self, false_alarm: f64) -> bool {
        self.evidence() >= 1.0 / false_alarm
    }

    /// Verdicts so far.
    pub fn verdicts(&self) -> usize {
        self.verdicts
    }

    /// Wrong ones among them.
    pub fn wrong(&self) -> usize {
        self.wrong
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// After how many verdicts each of `runs` is refuted, if it is within `longest`.
    fn refutals(runs: usize, longest: usize, bound: f64, error: f64, seed: u64) -> Vec<Option<usize>> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..runs)
            .map(|_| {
                let mut test = SequentialTest::default();
                (1..=longest).find(|_| {
                    let wrong = rng.random_bool(error);
                    test.observe(wrong, bound);
                    // A right reply never adds evidence.
                    wrong && test.refuted(0.05)
                })
            })
            .collect()
    }

    fn share(refutals: &[Option<usize>]) -> f64 {
        refutals.iter().flatten().count() as f64 / refutals.len() as f64
    }

    #[test]
    fn a_bound_that_holds_is_seldom_refuted_however_often_one_looks() {
        for (bound, error) in [(0.02, 0.02), (0.1, 0.1), (0.1, 0.05)] {
            let share = share(&refutals(1_000, 2_000, bound, error, 7));
            // δ = 0.05 is promised; 1,000 runs add three standard deviations of 0.007.
            assert!(share <= 0.05 + 0.021, "bound {bound}, error {error}: {share} refuted");
        }
    }

    #[test]
    fn a_broken_bound_is_found() {
        for (bound, error, longest) in [(0.02, 0.06, 800), (0.02, 0.2, 80), (0.1, 0.2, 400), (0.1, 0.5, 40)] {
            let found = refutals(400, longest, bound, error, 11);
            assert!(share(&found) >= 0.9, "bound {bound}, error {error}: {} found", share(&found));
        }
    }

    #[test]
    fn a_test_of_fixed_size_that_is_peeked_at_would_be_wrong_more_often() {
        // Why the test is sequential: the exact interval of 95%, looked at after every verdict.
        let mut rng = StdRng::seed_from_u64(7);
        let (bound, runs) = (0.1, 400);
        let mut refuted = 0;
        for _ in 0..runs {
            let mut wrong = 0_u32;
            refuted += usize::from((1..=1_000_u32).any(|n| {
                wrong += u32::from(rng.random_bool(bound));
                let spread = (bound * (1.0 - bound) / f64::from(n)).sqrt();
                n >= 30 && f64::from(wrong) / f64::from(n) > bound + 1.645 * spread
            }));
        }
        assert!(refuted as f64 / f64::from(runs) > 0.1, "{refuted} of {runs}");
    }

    #[test]
    fn the_wealth_of_each_bet_is_fair() {
        // The mean over a verdict, at the bound, is 1: what makes it a martingale.
        for bound in [0.01, 0.02, 0.1, 0.3] {
            let after = |wrong| {
                let mut test = SequentialTest::default();
                test.observe(wrong, bound);
                test.evidence()
            };
            let mean = bound * after(true) + (1.0 - bound) * after(false);
            assert!((mean - 1.0).abs() < 1e-12, "{bound}: {mean}");
        }
    }
}
