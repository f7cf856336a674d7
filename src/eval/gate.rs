//! Baselines, and the figures that are worse beyond their interval.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::EvalError;
use super::metrics::Estimate;
use super::metrics::statistic::{Better, Metric};
use super::report::{Slice, Summary, number, with_interval};
use super::task::Task;
use crate::inference::BackendKind;

/// What JSON may turn in the last digits of a number.
const ROUNDING: f64 = 1e-9;

/// Figures that later runs are held against; a file that is committed beside the sets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// One for each set and way of running it.
    pub entries: Vec<Entry>,
}

/// How a set is run, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The set, as it is named on the command line.
    pub set: PathBuf,
    /// What is measured.
    pub task: Task,
    /// Backend that writes the drafts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendKind>,
    /// How many questions are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Seed of the limit.
    pub seed: u64,
    /// The figures.
    pub summary: Summary,
}

/// A figure that left the interval of its baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Name of the set.
    pub set: String,
    /// What was measured.
    pub task: Task,
    /// `all`, a language, or a channel.
    pub slice: String,
    /// Name of the metric.
    pub metric: String,
    /// What it was.
    pub baseline: Estimate,
    /// What it is now; absent where it is no longer measured.
    pub now: Option<f64>,
    /// Whether that is worse; otherwise better.
    pub worse: bool,
}

impl Finding {
    /// For people.
    pub fn words(&self) -> String {
        let Self { set, slice, metric, .. } = self;
        let was = with_interval(&self.baseline);
        let place = format!("{set}, {}, {slice}: {metric}", self.task.as_str());
        match self.now {
            None => format!("{place} is no longer measured; it was {was}"),
            Some(now) => {
                let word = if self.worse { "worse" } else { "better" };
                format!("{place} is {word}: {}, it was {was}", number(now))
            }
        }
    }
}

impl Baseline {
    /// Reads a baseline.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let bytes = std::fs::read(path).map_err(|error| EvalError::io(path, &error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| EvalError::io(path, &format!("this is no baseline: {error}")))
    }

    /// Writes it.
    pub fn write(&self, path: &Path) -> Result<(), EvalError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| EvalError::io(path, &error))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| EvalError::io(folder, &error))?;
        }
        std::fs::write(path, text + "\n").map_err(|error| EvalError::io(path, &error))
    }

    /// Adds an entry in place of the one for the same set, task and backend. Figures of time are left out: they belong to
    /// a machine.
    pub fn put(&mut self, mut entry: Entry) {
        let timed: Vec<String> = entry
            .task
            .metrics()
            .into_iter()
            .filter(|metric| metric.timed)
            .map(|metric| metric.name)
            .collect();
        let summary = &mut entry.summary;
        let slices = summary.by_language.values_mut().chain(summary.by_channel.values_mut());
        for slice in slices.chain([&mut summary.all]) {
            slice.metrics.retain(|name, _| !timed.contains(name));
        }
        let same = |other: &Entry| {
            (&other.set, other.task, other.backend) == (&entry.set, entry.task, entry.backend)
        };
        match self.entries.iter().position(same) {
            Some(index) => self.entries[index] = entry,
            None => self.entries.push(entry),
        }
    }
}

/// Figures outside the interval of their baseline, on either side. Metrics that describe, and those of time, are left
/// alone.
pub fn findings(baseline: &Summary, now: &Summary) -> Vec<Finding> {
    let metrics = baseline.task.metrics();
    let gated: Vec<&Metric> =
        metrics.iter().filter(|metric| !metric.timed && metric.better != Better::Neither).collect();
    let mut found = Vec::new();
    for (slice, was, is) in slices(baseline, now) {
        for metric in &gated {
            let Some(estimate) = was.metrics.get(&metric.name) else { continue };
            let value = is.and_then(|slice| slice.metrics.get(&metric.name)).map(|estimate| estimate.value);
            let low = value.is_none_or(|value| value < estimate.low - ROUNDING);
            let high = value.is_some_and(|value| value > estimate.high + ROUNDING);
            if low || high {
                let worse = if metric.better == Better::Higher { low } else { high || value.is_none() };
                found.push(Finding {
                    set: now.set.clone(),
                    task: now.task,
                    slice: slice.to_owned(),
                    metric: metric.name.clone(),
                    baseline: *estimate,
                    now: value,
                    worse,
                });
            }
        }
    }
    found
}

/// Slices of a baseline with those of now.
fn slices<'a>(was: &'a Summary, is: &'a Summary) -> Vec<(&'a str, &'a Slice, Option<&'a Slice>)> {
    let languages =
        was.by_language.iter().map(|(name, slice)| (name.as_str(), slice, is.by_language.get(name)));
    let channels = was.by_channel.iter().map(|(name, slice)| (name.as_str(), slice, is.by_channel.get(name)));
    languages.chain(channels).chain([("all", &was.all, Some(&is.all))]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn summary(values: &[(&str, f64)]) -> Summary {
        let estimate = |value: f64| Estimate { value, low: value - 0.1, high: value + 0.1 };
        let metrics = values.iter().map(|(name, value)| ((*name).to_owned(), estimate(*value))).collect();
        Summary {
            set: "s".into(),
            kind: "assistant".into(),
            task: Task::Decisions,
            config_hash: "h".into(),
            by_language: BTreeMap::new(),
            by_channel: BTreeMap::new(),
            all: Slice { n: 10, metrics },
        }
    }

    #[test]
    fn only_what_left_the_interval_is_found_and_each_metric_has_its_own_direction() {
        let was = summary(&[
            ("auto_coverage", 0.5),
            ("wrong_auto", 0.2),
            ("auto_reply", 0.4),
            ("latency_p50_ms", 9.0),
        ]);
        let names = |now: &[(&str, f64)]| -> Vec<(String, bool)> {
            findings(&was, &summary(now)).into_iter().map(|found| (found.metric, found.worse)).collect()
        };
        let same =
            [("auto_coverage", 0.41), ("wrong_auto", 0.29), ("auto_reply", 0.9), ("latency_p50_ms", 99.0)];
        assert_eq!(names(&same), []);
        let down = [("auto_coverage", 0.3), ("wrong_auto", 0.05)];
        assert_eq!(names(&down), [("auto_coverage".into(), true), ("wrong_auto".into(), false)]);
        let up = [("auto_coverage", 0.7), ("wrong_auto", 0.31)];
        assert_eq!(names(&up), [("auto_coverage".into(), false), ("wrong_auto".into(), true)]);
        assert_eq!(names(&[("auto_coverage", 0.5)]), [("wrong_auto".into(), true)], "what vanishes is worse");
        let found = &findings(&was, &summary(&up))[1];
        assert_eq!(
            found.words(),
            "s, decisions, all: wrong_auto is worse: 0.310, it was 0.200 [0.100, 0.300]"
        );
    }

    #[test]
    fn a_baseline_is_replaced_by_set_task_and_backend_and_keeps_no_times() {
        let entry = |value: f64| Entry {
            set: "eval/demo".into(),
            task: Task::Decisions,
            backend: Some(BackendKind::Extractive),
            limit: Some(5),
            seed: 1,
            summary: summary(&[("auto_coverage", value), ("latency_p50_ms", 9.0)]),
        };
        let mut baseline = Baseline::default();
        baseline.put(entry(0.5));
        baseline.put(entry(0.6));
        baseline.put(Entry { backend: None, ..entry(0.7) });
        assert_eq!(baseline.entries.len(), 2);
        assert!(!baseline.entries[0].summary.all.metrics.contains_key("latency_p50_ms"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baselines/demo.json");
        baseline.write(&path).unwrap();
        assert_eq!(Baseline::read(&path).unwrap().entries.len(), 2);
        std::fs::write(&path, "{}").unwrap();
        assert!(Baseline::read(&path).unwrap_err().to_string().contains("no baseline"));
    }
}
