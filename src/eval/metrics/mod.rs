//! One statistic a file, each a pure function of plain numbers, with its source.

use serde::{Deserialize, Serialize};

pub mod aurc;
pub mod auroc;
pub mod balanced;
pub mod binomial;
pub mod bootstrap;
pub mod ece;
pub mod hit;
pub mod mcnemar;
pub mod mrr;
pub mod ndcg;
pub mod quantile;
pub mod statistic;

/// A value with the ends of its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The statistic on the whole sample.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}
