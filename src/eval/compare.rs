//! Two runs of the same set against each other, case by case: paired bootstrap intervals of every difference, the exact
//! test of `McNemar` where the outcome is yes or no, and about how many more cases would tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::Serialize;

use super::EvalError;
use super::case::{self, Case};
use super::metrics::Estimate;
use super::metrics::bootstrap::Bootstrap;
use super::metrics::mcnemar::{McNemar, mcnemar};
use super::metrics::quantile::quantile_of;
use super::metrics::statistic::{Better, Item, Metric, Statistic};
use super::report::Summary;
use super::task::Task;

/// What sums in another order may turn in the last digits of a number.
const ROUNDING: f64 = 1e-9;
/// Half the width of a 95% interval in standard errors.
const NORMAL: f64 = 1.96;

/// A run as it was written by `ponto eval run --out`.
#[derive(Debug, Clone)]
pub struct Run {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its metrics.
    pub summary: Summary,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// What two runs have in common and where they differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the set.
    pub set: String,
    /// What was measured.
    pub task: Task,
    /// Hash of the configuration of either run.
    pub config_hashes: [String; 2],
    /// Cases that both runs have.
    pub paired: usize,
    /// Cases of one run alone; they are left out.
    pub unpaired: [usize; 2],
    /// Every metric on all cases, by language and by channel.
    pub rows: Vec<Compared>,
}

/// One metric of two runs on the same cases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// `all`, a language, or a channel.
    pub slice: String,
    /// Name of the metric.
    pub metric: String,
    /// Cases in the slice for which the metric is defined in either run.
    pub n: usize,
    /// Value in the first run.
    pub first: f64,
    /// Value in the second run.
    pub second: f64,
    /// Second minus first, with the paired 95% bootstrap interval.
    pub difference: Estimate,
    /// For metrics of yes and no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcnemar: Option<McNemar>,
    /// What that says of the second run.
    pub verdict: Verdict,
    /// It measures time, which differs from run to run.
    pub timed: bool,
    /// About how many more cases would tell, if the difference stays what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_cases: Option<usize>,
}

/// What a difference says of the second run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better than the first.
    Better,
    /// Worse than the first.
    Worse,
    /// Another value, of a metric that describes.
    Changed,
    /// The interval holds 0.
    CannotTell,
}

impl Verdict {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Changed => "changed",
            Self::CannotTell => "cannot tell",
        }
    }
}

impl Run {
    /// Reads a folder that `--out` wrote, or the `report.json` in it.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let report = if path.is_dir() { path.join("report.json") } else { path.to_path_buf() };
        let summary = Summary::read(&report)?;
        let cases = case::read(&folder.join("cases.jsonl"))?;
        Ok(Self { path: path.to_path_buf(), summary, cases })
    }
}

/// Compares two runs of the same set and task.
pub fn compare(first: &Run, second: &Run, bootstrap: Bootstrap) -> Result<Comparison, EvalError> {
    let of = |run: &Run| (run.summary.set.clone(), run.summary.task);
    if of(first) != of(second) {
        let name = |run: &Run| format!("{} ({})", run.summary.set, run.summary.task.as_str());
        return Err(EvalError::NotEnough(format!(
            "these are runs of different sets or tasks: {} and {}",
            name(first),
            name(second)
        )));
    }
    let by_id: BTreeMap<&str, &Case> = second.cases.iter().map(|case| (case.id.as_str(), case)).collect();
    let pairs: Vec<Pair<'_>> =
        first.cases.iter().filter_map(|case| Some((case, *by_id.get(case.id.as_str())?))).collect();
    if pairs.is_empty() {
        return Err(EvalError::NotEnough("the two runs have no case in common".into()));
    }
    let metrics = first.summary.task.metrics_of(&first.cases);
    let slices = slices(&pairs);
    let work: Vec<(&String, &[Pair<'_>], &Metric)> = slices
        .iter()
        .flat_map(|(name, pairs)| metrics.iter().map(move |metric| (name, pairs.as_slice(), metric)))
        .collect();
    let rows = work
        .par_iter()
        .filter_map(|(name, pairs, metric)| compared(name, pairs, metric, bootstrap))
        .collect();
    Ok(Comparison {
        set: first.summary.set.clone(),
        task: first.summary.task,
        config_hashes: [first, second].map(|run| run.summary.config_hash.clone()),
        paired: pairs.len(),
        unpaired: [first, second].map(|run| run.cases.len() - pairs.len()),
        rows,
    })
}

impl Comparison {
    /// Metrics that are worse in the second run, those of time left out.
    pub fn worse(&self) -> impl Iterator<Item = &Compared> {
        self.rows.iter().filter(|row| row.verdict == Verdict::Worse && !row.timed)
    }

    /// Names of the slices in order.
    pub fn slices(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.rows.iter().map(|row| row.slice.as_str()).collect();
        names.dedup();
        names
    }
}

/// A case of the first run with the same case of the second.
type Pair<'a> = (&'a Case, &'a Case);

/// All pairs, then those of each language and channel, where there are several.
fn slices<'a>(pairs: &[Pair<'a>]) -> Vec<(String, Vec<Pair<'a>>)> {
    let mut slices = vec![("all".to_owned(), pairs.to_vec())];
    let language = |case: &Case| Some(case.language.clone());
    let channel = |case: &Case| case.channel.clone();
    for key in [&language as &dyn Fn(&Case) -> Option<String>, &channel] {
        let names: BTreeSet<String> = pairs.iter().filter_map(|(case, _)| key(case)).collect();
        if names.len() > 1 {
            for name in names {
                let own = pairs.iter().filter(|(case, _)| key(case).as_ref() == Some(&name)).copied();
                let own = own.collect();
                slices.push((name, own));
            }
        }
    }
    slices
}

fn compared(slice: &str, pairs: &[Pair<'_>], metric: &Metric, bootstrap: Bootstrap) -> Option<Compared> {
    let items: Vec<[Option<Item>; 2]> = pairs
        .iter()
        .map(|(first, second)| [metric.item(first), metric.item(second)])
        .filter(|items| items.iter().any(Option::is_some))
        .collect();
    let value = |run: usize, items: &[[Option<Item>; 2]]| {
        let own: Vec<Item> = items.iter().filter_map(|pair| pair[run]).collect();
        metric.value(&own)
    };
    let (first, second) = (value(0, &items)?, value(1, &items)?);
    let mut rng = StdRng::seed_from_u64(bootstrap.seed);
    let mut sample = items.clone();
    let mut differences = Vec::with_capacity(bootstrap.resamples);
    for _ in 0..bootstrap.resamples {
        for slot in &mut sample {
            *slot = items[rng.random_range(0..items.len())];
        }
        differences.extend(value(1, &sample).zip(value(0, &sample)).map(|(b, a)| b - a));
    }
    let value = second - first;
    let end = |share| quantile_of(differences.iter().copied(), share).unwrap_or(value);
    let difference = Estimate { value, low: end(0.025), high: end(0.975) };
    let verdict = verdict(metric.better, difference);
    Some(Compared {
        slice: slice.to_owned(),
        metric: metric.name.clone(),
        n: items.len(),
        first,
        second,
        difference,
        mcnemar: yes_or_no(metric, &items).map(mcnemar),
        verdict,
        timed: metric.timed,
        more_cases: (verdict == Verdict::CannotTell)
            .then(|| more_cases(value, standard_error(&differences), items.len()))
            .flatten(),
    })
}

fn verdict(better: Better, difference: Estimate) -> Verdict {
    let up = difference.low > ROUNDING;
    let down = difference.high < -ROUNDING;
    match better {
        _ if !up && !down => Verdict::CannotTell,
        Better::Neither => Verdict::Changed,
        Better::Higher if up => Verdict::Better,
        Better::Lower if down => Verdict::Better,
        _ => Verdict::Worse,
    }
}

/// Pairs of outcomes of a metric whose measure is yes or no in both runs; a case that one run left undefined is no pair.
fn yes_or_no(metric: &Metric, items: &[[Option<Item>; 2]]) -> Option<Vec<(bool, bool)>> {
    if !matches!(metric.statistic, Statistic::Rate | Statistic::Mean) {
        return None;
    }
    let yes = |value: f64| (value <= 0.0 || value >= 1.0).then_some(value >= 1.0);
    items
        .iter()
        .filter_map(|[first, second]| first.zip(*second))
        .map(|((first, _), (second, _))| Some((yes(first)?, yes(second)?)))
        .collect()
}

fn standard_error(differences: &[f64]) -> f64 {
    let n = differences.len().max(1) as f64;
    let mean = differences.iter().sum::<f64>() / n;
    (differences.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// The interval narrows with the root of the number of cases: how many more until it leaves 0. Nothing where the runs do
/// not differ.
fn more_cases(difference: f64, standard_error: f64, n: usize) -> Option<usize> {
    (difference.abs() > ROUNDING).then(|| {
        let needed = n as f64 * (NORMAL * standard_error / difference).powi(2);
        (needed.ceil() as usize).saturating_sub(n).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::report::Summary;

    fn run(hits: &[(f64, f64)], language: impl Fn(usize) -> &'static str) -> Run {
        let cases: Vec<Case> = hits
            .iter()
            .enumerate()
            .map(|(i, (hit, ndcg))| {
                Case { id: format!("q{i}"), language: language(i).into(), ..Case::default() }
                    .with("hit@5", *hit)
                    .with("ndcg@10", *ndcg)
            })
            .collect();
        let summary = Summary {
            set: "s".into(),
            task: Task::Retrieval,
            ..Summary::of(&cases, &Task::Retrieval.metrics(), Bootstrap::default())
        };
        Run { path: PathBuf::new(), summary, cases }
    }

    fn row<'a>(comparison: &'a Comparison, slice: &str, metric: &str) -> &'a Compared {
        comparison.rows.iter().find(|row| row.slice == slice && row.metric == metric).unwrap()
    }

    #[test]
    fn a_clear_gain_is_better_and_its_mirror_image_worse() {
        let language = |i: usize| if i.is_multiple_of(2) { "pt" } else { "en" };
        let old: Vec<(f64, f64)> = (0..200).map(|i| (f64::from(u8::from(i % 4 != 0)), 0.5)).collect();
        let new: Vec<(f64, f64)> = (0..200).map(|i| (f64::from(u8::from(i % 20 != 0)), 0.5)).collect();
        let (old, new) = (run(&old, language), run(&new, language));
        let found = compare(&old, &new, Bootstrap::default()).unwrap();
        let hit = row(&found, "all", "hit@5");
        assert_eq!((hit.verdict, hit.n, hit.more_cases), (Verdict::Better, 200, None));
        assert!((hit.difference.value - 0.2).abs() < 1e-12 && hit.difference.low > 0.1, "{hit:?}");
        let test = hit.mcnemar.unwrap();
        assert_eq!((test.only_first, test.only_second), (0, 40));
        assert!(test.p_value < 1e-9);
        assert_eq!(row(&found, "all", "ndcg@10").verdict, Verdict::CannotTell);
        assert_eq!(row(&found, "all", "ndcg@10").more_cases, None, "equal runs never differ");
        assert_eq!(found.slices(), ["all", "en", "pt"]);
        let back = compare(&new, &old, Bootstrap::default()).unwrap();
        assert_eq!(back.worse().map(|row| row.slice.as_str()).collect::<Vec<_>>(), ["all", "pt"]);
    }

    #[test]
    fn a_small_difference_says_how_many_more_cases_would_tell() {
        let old: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(u8::from(i % 2 == 0)), 0.0)).collect();
        let mut new = old.clone();
        new[1].0 = 1.0;
        new[3].0 = 1.0;
        new[4].0 = 0.0;
        let found = compare(&run(&old, |_| "pt"), &run(&new, |_| "pt"), Bootstrap::default()).unwrap();
        let hit = row(&found, "all", "hit@5");
        assert_eq!(hit.verdict, Verdict::CannotTell);
        // d = 0.01 and a standard error of about 0.0171: 100 · (1.96 · 1.71)² is about 1,130 in all.
        let more = hit.more_cases.unwrap();
        assert!((900..1200).contains(&more), "{more}");
        assert_eq!(hit.mcnemar.map(|test| (test.only_first, test.only_second)), Some((1, 2)));
    }

    #[test]
    fn runs_of_different_sets_are_refused() {
        let (one, mut other) = (run(&[(1.0, 1.0)], |_| "pt"), run(&[(1.0, 1.0)], |_| "pt"));
        other.summary.set = "t".into();
        assert!(
            compare(&one, &other, Bootstrap::default()).unwrap_err().to_string().contains("different sets")
        );
        let mut strange = one.clone();
        strange.cases[0].id = "x".into();
        assert!(compare(&one, &strange, Bootstrap::default()).unwrap_err().to_string().contains("in common"));
    }
}
