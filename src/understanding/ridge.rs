//! The direction that tells a few vectors from all others: ridge regression, solved by conjugate gradients.

use std::ops::Range;

/// Strength of the ridge, against a weight of one half for each side.
const RIDGE: f64 = 3.0;
/// Steps at most; a few dozen are enough at this strength.
const STEPS: usize = 60;
/// The residual, relative to the first one, at which a solution is good enough.
const TOLERANCE: f64 = 1e-4;

/// A direction with an offset: about 1 for what is meant, about −1 for what is not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Direction {
    weights: Vec<f64>,
    offset: f64,
}

impl Direction {
    /// The score of a vector.
    pub(super) fn score(&self, vector: &[f32]) -> f64 {
        dot(&self.weights, vector) + self.offset
    }
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum()
}

/// Tells the vectors of `own` from the rest. Both sides weigh the same, however many there are.
pub(super) fn separate(vectors: &[Vec<f32>], own: Range<usize>) -> Direction {
    let length = vectors.first().map_or(0, Vec::len);
    let (inside, all) = (own.len() as f64, vectors.len() as f64);
    if own.is_empty() || own.len() == vectors.len() {
        return Direction { weights: vec![0.0; length], offset: -1.0 };
    }
    let weight = |at: usize| {
        if own.contains(&at) { 0.5 * all / inside } else { 0.5 * all / (all - inside) }
    };
    // The last value of a solution is the offset, which the ridge leaves alone but for a trace.
    let apply = |solution: &[f64]| -> Vec<f64> {
        let mut out: Vec<f64> = solution.iter().map(|value| RIDGE * value).collect();
        out[length] = 1e-6 * solution[length];
        for (at, vector) in vectors.iter().enumerate() {
            let scaled = weight(at) * (dot(solution, vector) + solution[length]);
            add(&mut out, scaled, vector);
        }
        out
    };
    let mut target = vec![0.0; length + 1];
    for (at, vector) in vectors.iter().enumerate() {
        let side = if own.contains(&at) { 1.0 } else { -1.0 };
        add(&mut target, side * weight(at), vector);
    }
    let mut solution = vec![0.0; length + 1];
    let mut residual = target;
    let mut step = residual.clone();
    let mut size = square(&residual);
    let enough = size * TOLERANCE * TOLERANCE;
    for _ in 0..STEPS {
        if size <= enough {
            break;
        }
        let applied = apply(&step);
        let curvature: f64 = step.iter().zip(&applied).map(|(a, b)| a * b).sum();
        let far = size / curvature;
        for ((solution, residual), (step, applied)) in
            solution.iter_mut().zip(residual.iter_mut()).zip(step.iter().zip(&applied))
        {
            *solution += far * step;
            *residual -= far * applied;
        }
        let next = square(&residual);
        for (step, residual) in step.iter_mut().zip(&residual) {
            *step = residual + next / size * *step;
        }
        size = next;
    }
    let offset = solution.pop().unwrap_or_default();
    Direction { weights: solution, offset }
}

/// Adds a multiple of a vector, with 1 as its last value.
fn add(sum: &mut [f64], scale: f64, vector: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(vector) {
        *sum += scale * f64::from(*value);
    }
    if let Some(last) = sum.last_mut() {
        *last += scale;
    }
}

fn square(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_told_from_many() {
        let mut vectors = vec![vec![1.0_f32, 0.0], vec![0.96, 0.28]];
        vectors.extend((0..50).map(|n| vec![-0.1 + 0.002 * n as f32, 0.99]));
        let direction = separate(&vectors, 0..2);
        assert!(direction.score(&[0.98, 0.2]) > 0.2, "{direction:?}");
        assert!(direction.score(&[0.0, 1.0]) < -0.2, "{direction:?}");
        // The normal equations hold: the gradient at the solution is nearly nothing.
        let weight = |at: usize| if at < 2 { 13.0 } else { 26.0 / 50.0 };
        let mut gradient = direction.weights.iter().map(|value| RIDGE * value).collect::<Vec<_>>();
        for (at, vector) in vectors.iter().enumerate() {
            let wrong = direction.score(vector) - if at < 2 { 1.0 } else { -1.0 };
            for (sum, value) in gradient.iter_mut().zip(vector) {
                *sum += weight(at) * wrong * f64::from(*value);
            }
        }
        assert!(square(&gradient).sqrt() < 0.05, "{gradient:?}");
    }

    #[test]
    fn without_examples_nothing_is_meant() {
        assert!(separate(&[vec![1.0, 0.0]], 0..0).score(&[1.0, 0.0]) < 0.0);
    }
}
