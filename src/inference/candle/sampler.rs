//! Choice of the next token.

use std::borrow::Cow;
use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::kernels::rows;
use crate::inference::ChatOptions;

/// Picks tokens by the options of one call; the same seed and scores give the same tokens.
pub struct Sampler {
    temperature: f32,
    top_p: f32,
    frequency_penalty: f32,
    /// How often each token was picked.
    picked: HashMap<usize, f32>,
    rng: StdRng,
}

/// A chosen token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// The token.
    pub token: u32,
    /// Its natural-log probability at temperature 1 over the whole vocabulary.
    pub logprob: f32,
}

impl Sampler {
    /// For one call.
    pub fn new(options: &ChatOptions) -> Self {
        Self {
            temperature: options.temperature,
            top_p: options.top_p,
            frequency_penalty: options.frequency_penalty,
            picked: HashMap::new(),
            rng: StdRng::seed_from_u64(options.seed),
        }
    }

    /// Picks one token: the highest score at temperature 0, otherwise at random from the smallest set of tokens
    /// whose probabilities reach `top_p` (Holtzman et al., 2020, <https://arxiv.org/abs/1904.09751>). The frequency
    /// penalty counts in the choice and not in the probability that is told.
    ///
    /// `None` when no score is a number.
    pub fn pick(&mut self, logits: &[f32]) -> Option<Choice> {
        let scores = self.penalized(logits);
        let best = argmax(&scores)?;
        let token = if self.temperature > 0.0 { self.nucleus(&scores, scores[best]) } else { best };
        if self.frequency_penalty != 0.0 {
            *self.picked.entry(token).or_default() += 1.0;
        }
        Some(Choice { token: token as u32, logprob: log_probability(logits, token) })
    }

    fn penalized<'a>(&self, logits: &'a [f32]) -> Cow<'a, [f32]> {
        if self.picked.is_empty() {
            return Cow::Borrowed(logits);
        }
        let mut scores = logits.to_vec();
        for (token, times) in &self.picked {
            scores[*token] -= self.frequency_penalty * times;
        }
        Cow::Owned(scores)
    }

    fn nucleus(&mut self, logits: &[f32], highest: f32) -> usize {
        let mut weights: Vec<(usize, f64)> = logits
            .iter()
            .map(|score| f64::from((score - highest) / self.temperature).exp())
            .enumerate()
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        weights.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let limit = if self.top_p < 1.0 { f64::from(self.top_p.max(0.0)) * total } else { total };
        let mut kept = 0.0;
        let size = weights
            .iter()
            .position(|(_, weight)| {
                kept += weight;
                kept >= limit
            })
            .map_or(weights.len(), |last| last + 1);
        let mut target =
            self.rng.random::<f64>() * weights[..size].iter().map(|(_, weight)| weight).sum::<f64>();
        for (token, weight) in &weights[..size] {
            target -= weight;
            if target < 0.0 {
                return *token;
            }
        }
        weights[0].0
    }
}

/// Position of the highest score, the first of equals.
fn argmax(logits: &[f32]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (token, score) in logits.iter().enumerate() {
        if !score.is_nan() && best.is_none_or(|best| *score > logits[best]) {
            best = Some(token);
        }
    }
    best
}

/// Natural-log probability of `token`, from the scores of all.
pub(super) fn log_probability(logits: &[f32], token: usize) -> f32 {
    logits[token] - rows::log_sum_exp(logits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: f32, top_p: f32, seed: u64) -> Sampler {
        Sampler::new(&ChatOptions { temperature, top_p, seed, ..ChatOptions::default() })
    }

    #[test]
    fn greedy_takes_the_highest_and_the_first_of_equals() {
        let choice = sampler(0.0, 1.0, 0).pick(&[0.0, 2.0, f32::NAN, 2.0]).unwrap();
        assert_eq!(choice.token, 1);
        let expected = (2f64.exp() / (1.0 + 2.0 * 2f64.exp())).ln() as f32;
        assert!((choice.logprob - expected).abs() < 1e-6);
    }

    #[test]
    fn nothing_is_chosen_without_a_number() {
        assert_eq!(sampler(0.0, 1.0, 0).pick(&[f32::NAN, f32::NAN]), None);
    }

    #[test]
    fn the_seed_decides() {
        let logits: Vec<f32> = (0..100).map(|i| (i as f32 * 0.7).sin()).collect();
        let draw = |seed| {
            let mut sampler = sampler(1.0, 0.95, seed);
            (0..20).map(|_| sampler.pick(&logits).unwrap().token).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn frequencies_follow_the_probabilities_inside_the_nucleus() {
        // Probabilities 0.5, 0.3, 0.15, 0.05; a nucleus of 0.75 keeps the first two.
        let logits: Vec<f32> = [0.5f32, 0.3, 0.15, 0.05].iter().map(|p| p.ln()).collect();
        let mut sampler = sampler(1.0, 0.75, 3);
        let mut counts = [0u32; 4];
        for _ in 0..4000 {
            counts[sampler.pick(&logits).unwrap().token as usize] += 1;
        }
        assert_eq!(&counts[2..], &[0, 0]);
        let share = f64::from(counts[0]) / 4000.0;
        assert!((share - 0.625).abs() < 0.03, "{share}");
    }

    #[test]
    fn what_was_said_often_gives_way() {
        let options = ChatOptions { frequency_penalty: 0.4, ..ChatOptions::default() };
        let mut sampler = Sampler::new(&options);
        let logits = [1.0, 0.5, -5.0];
        let picked: Vec<u32> = (0..5).map(|_| sampler.pick(&logits).unwrap().token).collect();
        assert_eq!(picked, [0, 0, 1, 0, 1]);
        let told = sampler.pick(&logits).unwrap().logprob;
        assert!(told > log_probability(&logits, 1) - 1e-6, "the probability is the model's own");
    }

    #[test]
    fn a_low_temperature_sharpens() {
        let logits = [1.0, 0.0];
        let mut cold = sampler(0.1, 1.0, 1);
        let hits = (0..500).filter(|_| cold.pick(&logits).unwrap().token == 0).count();
        assert!(hits > 490, "{hits}");
    }
}
