//! What tells a few sentences from all others: kernel ridge regression over their vectors, solved by conjugate gradients.
//!
//! A sentence scores by how like it is to each known one: those of a topic speak for it, all others against it, the more the
//! nearer they lie. So a topic may have many ways of being said, and a near miss beside one of them counts.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Strength of the ridge, against a weight of one half for each side.
const RIDGE: f32 = 0.3;
/// Steps at most; a few dozen are enough at this strength.
const STEPS: usize = 80;
/// The residual, relative to the first one, at which a solution is good enough.
const TOLERANCE: f32 = 1e-3;

/// How like two vectors of length 1 are, 0 to 1: a Gaussian of their distance.
fn likeness(a: &[f32], b: &[f32]) -> f32 {
    (2.0 * dot(a, b) - 2.0).exp()
}

/// How like a vector is to each of others.
pub(super) fn likenesses(vector: &[f32], others: &[Vec<f32>]) -> Vec<f32> {
    others.iter().map(|other| likeness(vector, other)).collect()
}

/// How like every two of some vectors are.
pub(super) struct Likeness(Vec<Vec<f32>>);

impl Likeness {
    /// Compares every vector with every other, each pair once: likeness is mutual.
    pub(super) fn among(vectors: &[Vec<f32>]) -> Self {
        let all = 0..vectors.len();
        let to_earlier = |at: usize| likenesses(&vectors[at], &vectors[..=at]);
        let earlier: Vec<Vec<f32>> = all.clone().into_par_iter().map(to_earlier).collect();
        let to_all = |at: usize| {
            let later = earlier[at + 1..].iter().map(|row| row[at]);
            earlier[at].iter().copied().chain(later).collect()
        };
        Self(all.into_par_iter().map(to_all).collect())
    }

    /// What each vector says: the sum of these by likeness is about 1 for what is like those that are `inside`, about −1 for
    /// others. Both sides weigh the same, however many there are.
    pub(super) fn separate(&self, inside: impl Fn(usize) -> bool) -> Vec<f32> {
        let all = self.0.len();
        let own = (0..all).filter(|at| inside(*at)).count();
        if own == 0 || own == all {
            return vec![0.0; all];
        }
        let ridge = |at: usize| {
            let side = if inside(at) { own } else { all - own };
            RIDGE * 2.0 * side as f32 / all as f32
        };
        // Every vector is wholly like itself, so the diagonal is 1 and its ridge.
        let ridges: Vec<f32> = (0..all).map(ridge).collect();
        let apply = |solution: &[f32]| -> Vec<f32> {
            let rows = self.0.iter().zip(&ridges).zip(solution);
            rows.map(|((row, ridge), own)| dot(row, solution) + ridge * own).collect()
        };
        let scaled = |residual: &[f32]| -> Vec<f32> {
            residual.iter().zip(&ridges).map(|(value, ridge)| value / (1.0 + ridge)).collect()
        };
        let mut solution = vec![0.0; all];
        let mut residual: Vec<f32> = (0..all).map(|at| if inside(at) { 1.0 } else { -1.0 }).collect();
        let enough = dot(&residual, &residual) * TOLERANCE * TOLERANCE;
        let mut step = scaled(&residual);
        let mut size = dot(&residual, &step);
        for _ in 0..STEPS {
            let applied = apply(&step);
            let far = size / dot(&step, &applied);
            for ((solution, residual), (step, applied)) in
                solution.iter_mut().zip(residual.iter_mut()).zip(step.iter().zip(&applied))
            {
                *solution += far * step;
                *residual -= far * applied;
            }
            if dot(&residual, &residual) <= enough {
                break;
            }
            let next = scaled(&residual);
            let grown = dot(&residual, &next);
            for (step, next) in step.iter_mut().zip(&next) {
                *step = next + grown / size * *step;
            }
            size = grown;
        }
        solution
    }
}

/// The sum of products, in strands that run side by side: there are millions of them to learn from.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut strands = [0.0; 8];
    let (a, b) = (a.chunks_exact(strands.len()), b.chunks_exact(strands.len()));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for (strand, (a, b)) in strands.iter_mut().zip(a.iter().zip(b)) {
            *strand += a * b;
        }
    }
    strands.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit vector by its angle in degrees.
    fn at(degrees: f32) -> Vec<f32> {
        vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    #[test]
    fn a_few_are_told_from_many_on_both_sides_of_them() {
        // What is meant lies at 0 and at 180 degrees, between others: no single direction tells it.
        let mut vectors = vec![at(0.0), at(5.0), at(180.0), at(185.0)];
        vectors.extend((0..40).map(|n| at(60.0 + n as f32)));
        vectors.extend((0..40).map(|n| at(240.0 + n as f32)));
        let says = Likeness::among(&vectors).separate(|at| at < 4);
        let score = |vector: &[f32]| dot(&says, &likenesses(vector, &vectors));
        for (degrees, meant) in [(2.0, true), (183.0, true), (80.0, false), (260.0, false)] {
            assert_eq!(score(&at(degrees)) > 0.0, meant, "{degrees}: {}", score(&at(degrees)));
        }
        // The equations hold: score and ridge together give every vector its side.
        for (position, vector) in vectors.iter().enumerate() {
            let (side, target) = if position < 4 { (4.0, 1.0) } else { (80.0, -1.0) };
            let found = score(vector) + RIDGE * 2.0 * side / 84.0 * says[position];
            assert!((found - target).abs() < 0.02, "{position}: {found}");
        }
    }

    #[test]
    fn without_examples_nothing_is_said() {
        let vectors = vec![at(0.0), at(90.0)];
        assert_eq!(Likeness::among(&vectors).separate(|_| false), [0.0, 0.0]);
    }
}
