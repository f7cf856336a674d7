//! Ridge logistic regression by Newton's method (iteratively reweighted least squares; Hastie, Tibshirani and Friedman
//! 2009, section 4.4.1, with the penalty of section 3.4.1).

const STEPS: usize = 100;
const TOLERANCE: f64 = 1e-10;

/// Coefficients that minimise −log-likelihood + ½ Σ `penalties[j]` · b[j]², one a column. `None` when the normal
/// equations cannot be solved (a column repeats another one without penalty).
pub(super) fn fit(rows: &[Vec<f64>], labels: &[bool], penalties: &[f64]) -> Option<Vec<f64>> {
    let width = penalties.len();
    let mut coefficients = vec![0.0; width];
    let mut loss = objective(rows, labels, penalties, &coefficients);
    for _ in 0..STEPS {
        let mut gradient: Vec<f64> =
            coefficients.iter().zip(penalties).map(|(b, penalty)| b * penalty).collect();
        let mut hessian = vec![vec![0.0; width]; width];
        for (j, penalty) in penalties.iter().enumerate() {
            // The floor keeps separable classes without a penalty solvable.
            hessian[j][j] = penalty.max(1e-9);
        }
        for (row, label) in rows.iter().zip(labels) {
            let probability = sigmoid(dot(row, &coefficients));
            let residual = probability - f64::from(u8::from(*label));
            let weight = probability * (1.0 - probability);
            for j in 0..width {
                gradient[j] += residual * row[j];
                for k in 0..=j {
                    hessian[j][k] += weight * row[j] * row[k];
                }
            }
        }
        let step = solve(hessian, gradient)?;
        let mut size = 1.0;
        let before = loss;
        loop {
            let moved: Vec<f64> = coefficients.iter().zip(&step).map(|(b, step)| b - size * step).collect();
            let moved_loss = objective(rows, labels, penalties, &moved);
            if moved_loss <= loss {
                coefficients = moved;
                loss = moved_loss;
                break;
            }
            size /= 2.0;
            if size < 1e-8 {
                return Some(coefficients);
            }
        }
        if before - loss < TOLERANCE * (1.0 + loss.abs()) {
            break;
        }
    }
    coefficients.iter().all(|b| b.is_finite()).then_some(coefficients)
}

fn objective(rows: &[Vec<f64>], labels: &[bool], penalties: &[f64], coefficients: &[f64]) -> f64 {
    let penalty: f64 = coefficients.iter().zip(penalties).map(|(b, penalty)| penalty * b * b / 2.0).sum();
    let loss: f64 = rows
        .iter()
        .zip(labels)
        .map(|(row, label)| {
            let margin = dot(row, coefficients) * if *label { 1.0 } else { -1.0 };
            // log(1 + exp(−m)) without overflow.
            (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
        })
        .sum();
    loss + penalty
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Solves A x = b by Cholesky's decomposition; A is symmetric and given by its lower triangle.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for j in 0..n {
        for k in 0..=j {
            let sum: f64 = (0..k).map(|m| a[j][m] * a[k][m]).sum();
            let rest = a[j][k] - sum;
            if j == k {
                if rest <= 0.0 || !rest.is_finite() {
                    return None;
                }
                a[j][j] = rest.sqrt();
            } else {
                a[j][k] = rest / a[k][k];
            }
        }
    }
    for j in 0..n {
        let sum: f64 = (0..j).map(|k| a[j][k] * b[k]).sum();
        b[j] = (b[j] - sum) / a[j][j];
    }
    for j in (0..n).rev() {
        let sum: f64 = (j + 1..n).map(|k| a[k][j] * b[k]).sum();
        b[j] = (b[j] - sum) / a[j][j];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::{fit, solve};

    fn logit(p: f64) -> f64 {
        (p / (1.0 - p)).ln()
    }

    /// With one binary covariate the maximum likelihood is known: both groups get their own log-odds.
    #[test]
    fn equals_the_log_odds_of_two_groups() {
        let mut rows = Vec::new();
        let mut labels = Vec::new();
        for (group, good, bad) in [(0.0, 3, 7), (1.0, 16, 4)] {
            for i in 0..good + bad {
                rows.push(vec![1.0, group]);
                labels.push(i < good);
            }
        }
        let coefficients = fit(&rows, &labels, &[0.0, 0.0]).unwrap();
        assert!((coefficients[0] - logit(0.3)).abs() < 1e-5, "{coefficients:?}");
        assert!((coefficients[1] - (logit(0.8) - logit(0.3))).abs() < 1e-5, "{coefficients:?}");
    }

    #[test]
    fn the_penalty_shrinks_and_keeps_separable_classes_finite() {
        let rows: Vec<Vec<f64>> = (0..20).map(|i| vec![1.0, f64::from(i) / 10.0 - 0.95]).collect();
        let labels: Vec<bool> = (0..20).map(|i| i >= 10).collect();
        let weak = fit(&rows, &labels, &[0.0, 0.1]).unwrap()[1];
        let strong = fit(&rows, &labels, &[0.0, 10.0]).unwrap()[1];
        assert!(weak > strong && strong > 0.0 && weak.is_finite(), "{weak} {strong}");
        // At the optimum of the penalised problem the gradient of the loss equals the penalty.
        let gradient: f64 = rows
            .iter()
            .zip(&labels)
            .map(|(row, label)| {
                let b = fit(&rows, &labels, &[0.0, 10.0]).unwrap();
                let p = 1.0 / (1.0 + (-(b[0] + b[1] * row[1])).exp());
                (f64::from(u8::from(*label)) - p) * row[1]
            })
            .sum();
        assert!((gradient - 10.0 * strong).abs() < 1e-4, "{gradient} {strong}");
    }

    #[test]
    fn solves_a_known_system() {
        // [[4, 2], [2, 3]] x = [10, 9] has x = [1.5, 2].
        let x = solve(vec![vec![4.0, 0.0], vec![2.0, 3.0]], vec![10.0, 9.0]).unwrap();
        assert!((x[0] - 1.5).abs() < 1e-12 && (x[1] - 2.0).abs() < 1e-12);
        assert!(solve(vec![vec![0.0]], vec![1.0]).is_none());
    }
}
