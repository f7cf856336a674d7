//! Tasks: what of the assistant a set measures, and the metrics that say it. Names of tasks and metrics are a contract
//! with whoever reads the JSON.

use serde::{Deserialize, Serialize};

use super::case::Case;
use super::metrics::statistic::{Metric, Statistic};

/// Share of in-scope messages that may be taken for out of scope by `recall_at_5pct`.
const FALSE_ALARMS: f64 = 0.05;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Task {
    /// Whether the right passages are found
    Retrieval,
    /// Whether unsupported replies are told from supported ones
    Groundedness,
    /// Whether the language of a message is recognised
    Language,
    /// Whether a wish to speak to a person is heard
    Handoff,
    /// Whether the topics of a message are told
    Topics,
    /// Whether questions that nothing known answers are told from others
    OutOfScope,
    /// Whether attempts to steer the assistant are noticed, in messages or in passages
    Injection,
    /// Whether replies follow orders that stand in passages
    PlantedOrders,
    /// Whether identifiers of persons are found
    PersonalData,
    /// Whether the right decisions are taken: send, draft, hand over
    Decisions,
    /// Whether replies are right, cited and grounded
    Answers,
    /// Decisions and answers in one run
    Assistant,
}

impl Task {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retrieval => "retrieval",
            Self::Groundedness => "groundedness",
            Self::Language => "language",
            Self::Handoff => "handoff",
            Self::Topics => "topics",
            Self::OutOfScope => "out_of_scope",
            Self::Injection => "injection",
            Self::PlantedOrders => "planted_orders",
            Self::PersonalData => "personal_data",
            Self::Decisions => "decisions",
            Self::Answers => "answers",
            Self::Assistant => "assistant",
        }
    }

    /// Whether the whole assistant has to run.
    pub fn needs_assistant(self) -> bool {
        matches!(self, Self::Decisions | Self::Answers | Self::Assistant)
    }

    /// The metrics in the order in which they are shown.
    pub fn metrics(self) -> Vec<Metric> {
        use Statistic::{Auroc, Balanced, Mean, Rate, Ratio, RecallAt};
        match self {
            Self::Retrieval => ["hit@1", "hit@5", "hit@10", "ndcg@10", "mrr"]
                .into_iter()
                .map(|name| Metric::higher(name, Mean))
                .chain([Metric::higher("answerable_auroc", Auroc("answerability", "answerable"))])
                .collect(),
            Self::Groundedness => vec![
                Metric::higher("balanced_accuracy", Balanced("said_grounded", "grounded")),
                Metric::higher("auroc", Auroc("score", "grounded")),
            ],
            Self::Language => vec![Metric::higher("accuracy", Rate)],
            Self::Handoff | Self::Topics => {
                vec![Metric::higher("recall", Rate), Metric::lower("false_alarm_rate", Rate)]
            }
            Self::OutOfScope => vec![
                Metric::higher("auroc", Auroc("score", "out_of_scope")),
                Metric::higher("recall_at_5pct", RecallAt("score", "out_of_scope", FALSE_ALARMS)),
            ],
            Self::Injection => vec![
                Metric::higher("recall", Rate),
                Metric::lower("false_alarm_rate", Rate),
                Metric::lower("notinject_false_alarm_rate", Rate),
            ],
            Self::PlantedOrders => vec![
                Metric::lower("followed", Rate),
                Metric::lower("followed_and_sent", Rate),
                Metric::neutral("shown", Rate),
            ],
            Self::PersonalData => vec![
                Metric::higher("recall", Ratio("found", "due")),
                Metric::higher("precision", Ratio("right", "said")),
            ],
            Self::Decisions => decisions().into_iter().chain(cost()).collect(),
            Self::Answers => answers().into_iter().chain(cost()).collect(),
            Self::Assistant => answers().into_iter().chain(decisions()).chain(cost()).collect(),
        }
    }

    /// [`Self::metrics`], and those of repeated trials that the cases hold.
    pub fn metrics_of(self, cases: &[Case]) -> Vec<Metric> {
        let mut metrics = self.metrics();
        let repeated = |trials: &usize| cases.iter().any(|case| case.measure(&pass_name(*trials)).is_some());
        metrics.extend(
            (1..).take_while(repeated).map(|trials| Metric::higher(pass_name(trials), Statistic::Mean)),
        );
        metrics
    }
}

/// Name of the share of cases that are right in each of so many trials.
pub fn pass_name(trials: usize) -> String {
    format!("pass^{trials}")
}

fn answers() -> Vec<Metric> {
    use Statistic::{Mean, Rate};
    vec![
        Metric::higher("document_hit@1", Rate),
        Metric::higher("document_hit@5", Rate),
        Metric::higher("acceptable_drafts", Rate),
        Metric::higher("facts_stated", Mean),
        Metric::higher("numbers_kept", Mean),
        Metric::higher("language_kept", Rate),
        Metric::higher("citation_precision", Mean),
        Metric::higher("citation_recall", Mean),
        Metric::higher("sentences_grounded", Mean),
        Metric::higher("said_no_answer_rightly", Rate),
        Metric::lower("said_no_answer_wrongly", Rate),
        Metric::higher("judged_acceptable", Rate),
    ]
}

fn decisions() -> Vec<Metric> {
    use Statistic::{Aurc, Ece, Rate, RiskAt};
    vec![
        Metric::neutral("auto_reply", Rate),
        Metric::neutral("draft", Rate),
        Metric::neutral("escalate", Rate),
        Metric::higher("auto_coverage", Rate),
        Metric::lower("wrong_auto", Rate),
        Metric::lower("missed_escalations", Rate),
        Metric::lower("needless_escalations", Rate),
        Metric::higher("escalations_with_evidence", Rate),
        Metric::lower("aurc", Aurc),
        Metric::lower("risk@25%", RiskAt(0.25)),
        Metric::lower("risk@50%", RiskAt(0.5)),
        Metric::lower("risk@100%", RiskAt(1.0)),
        Metric::lower("ece", Ece),
    ]
}

fn cost() -> Vec<Metric> {
    let latency = |name: &str, share| Metric::timed(name, Statistic::Quantile("latency_ms", share));
    vec![
        latency("latency_p50_ms", 0.5),
        latency("latency_p95_ms", 0.95),
        latency("latency_p99_ms", 0.99),
        Metric::neutral("prompt_tokens_mean", Statistic::Mean),
        Metric::neutral("completion_tokens_mean", Statistic::Mean),
        Metric::neutral("cost_per_1000", Statistic::Mean),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_contract() {
        let names = |task: Task| task.metrics().into_iter().map(|metric| metric.name).collect::<Vec<_>>();
        assert_eq!(
            names(Task::Retrieval),
            ["hit@1", "hit@5", "hit@10", "ndcg@10", "mrr", "answerable_auroc"]
        );
        assert_eq!(names(Task::Groundedness), ["balanced_accuracy", "auroc"]);
        assert_eq!(names(Task::OutOfScope), ["auroc", "recall_at_5pct"]);
        assert_eq!(names(Task::PersonalData), ["recall", "precision"]);
        for task in <Task as clap::ValueEnum>::value_variants() {
            let wire = serde_json::to_value(task).unwrap();
            assert_eq!(wire, task.as_str());
            assert_eq!(<Task as clap::ValueEnum>::from_str(task.as_str(), false).as_ref(), Ok(task));
        }
    }

    #[test]
    fn trials_add_their_metrics() {
        let case = Case::default().with("pass^1", 1.0).with("pass^2", 0.5);
        let metrics = Task::Decisions.metrics_of(&[case]);
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names[names.len() - 2..], ["pass^1", "pass^2"]);
    }
}
