//! What a reason stands on, in words: told from what was stored as numbers, names and quotes, never from a sentence that was
//! written before.

use super::words::word;
use super::{apart, filled, listed, local, name_of, placed};
use crate::conversation::{Audience, Language, Role};
use crate::decision::rollout::{Slice, Stage};
use crate::decision::{DecisionInput, DraftFacts, Evidence, Mode, Reason, ReasonCode, Verdict};
use crate::store::suggestion::Suggestion;
use crate::text::{collapse, cut};
use crate::understanding::MatchedBy;
use crate::understanding::injection::{HIDDEN, Sign};

/// Characters of a text that are quoted.
const QUOTED: usize = 120;
/// Things of a kind that are named.
const NAMED: usize = 4;

/// The evidence of a reason as one sentence; empty where what the reason says is all there is.
pub(super) fn told(reason: &Reason, suggestion: &Suggestion, language: Language) -> String {
    sentence(&Told { reason, suggestion, language }.clauses().join("; "))
}

struct Told<'a> {
    reason: &'a Reason,
    suggestion: &'a Suggestion,
    language: Language,
}

impl Told<'_> {
    fn say(&self, key: &str, fill: &[(&str, &str)]) -> String {
        self.word("evidence", key, fill)
    }

    fn word(&self, section: &str, key: &str, fill: &[(&str, &str)]) -> String {
        filled(&word(self.language, section, key), fill)
    }

    fn clauses(&self) -> Vec<String> {
        match self.reason.code {
            ReasonCode::ModeCap => self.mode(),
            ReasonCode::Rollout => self.rollout(),
            ReasonCode::Policy => self.rule(),
            ReasonCode::HumanTookOver => self.person(),
            ReasonCode::UnsupportedLanguage => self.messages("message"),
            ReasonCode::NotCertified | ReasonCode::CertificateLapsed => self.certificate(),
            ReasonCode::IndexRebuilding => {
                let lacking = self.signal("passages_lacking");
                lacking.map(|count| self.say("lacking", &[("{count}", count)])).into_iter().collect()
            }
            ReasonCode::BelowThreshold => self.confidence("confidence_under", |draft| draft.threshold),
            ReasonCode::LowConfidence => self.confidence("confidence_floor", |draft| draft.floor),
            ReasonCode::NothingRelevant => self.nearest("nothing_found"),
            ReasonCode::NoAnswerInSources => self.nearest("no_draft"),
            ReasonCode::Injection => self.injection(),
            ReasonCode::AsksForHuman
            | ReasonCode::Complaint
            | ReasonCode::NeedsAccountData
            | ReasonCode::OptedOut
            | ReasonCode::DataRequest
            | ReasonCode::AngryCustomer
            | ReasonCode::OffTopic
            | ReasonCode::SmallTalk => self.topics(),
            ReasonCode::SeveralQuestions => {
                let count = self.suggestion.trace.understanding.questions.to_string();
                vec![self.say("questions", &[("{count}", &count)])]
            }
            ReasonCode::Ungrounded => self.ungrounded(),
            ReasonCode::AgentsOnlySource => self.agents_only(),
            ReasonCode::PersonalData
            | ReasonCode::UnsupportedPromise
            | ReasonCode::ReplyWindowClosed
            | ReasonCode::TooLong
            | ReasonCode::LanguageMismatch => self.measured(),
            ReasonCode::NothingToAnswer => self.nothing_to_answer(),
            ReasonCode::Unavailable => {
                let cause = self.decided().and_then(|decided| decided.unavailable);
                cause.map(|cause| self.word("unavailable", &name_of(&cause), &[])).into_iter().collect()
            }
        }
    }

    fn decided(&self) -> Option<&DecisionInput> {
        self.suggestion.trace.decided.as_ref()
    }

    fn draft(&self) -> Option<DraftFacts> {
        self.decided()?.draft
    }

    fn mode(&self) -> Vec<String> {
        let Some(decided) = self.decided() else { return Vec::new() };
        let key = match decided.mode {
            Mode::Auto => "answered_before",
            Mode::Draft => "mode_draft",
            Mode::Shadow => "mode_shadow",
        };
        vec![self.say(key, &[])]
    }

    fn rollout(&self) -> Vec<String> {
        let allowed = self.decided().map_or(&self.suggestion.trace.rollout, |decided| &decided.rollout);
        let key = match allowed.stage {
            Stage::Auto => return Vec::new(),
            Stage::Sample => "rollout_sample",
            Stage::Draft => "rollout_draft",
            Stage::Shadow => "rollout_shadow",
        };
        let share = share(allowed.share.unwrap_or_default());
        vec![self.say(key, &[("{share}", &share), ("{slice}", &self.slice(&allowed.slice))])]
    }

    fn slice(&self, slice: &Slice) -> String {
        let channel = slice.channel.map(|channel| self.word("channel", channel.as_str(), &[]));
        let language = slice.language.map(|language| self.word("language", language.code(), &[]));
        let parts: Vec<String> =
            [("slice_channel", channel), ("slice_topic", slice.topic.clone()), ("slice_language", language)]
                .into_iter()
                .filter_map(|(key, value)| Some(self.say(key, &[("{value}", &value?)])))
                .collect();
        if parts.is_empty() { self.say("slice_all", &[]) } else { parts.join(", ") }
    }

    /// A rule in its author's words, what it demands, and the conditions that held.
    fn rule(&self) -> Vec<String> {
        let mut conditions = Vec::new();
        let (mut rule, mut about, mut demands) = ("", String::new(), Vec::new());
        for evidence in &self.reason.evidence {
            match evidence {
                Evidence::Rule { name, condition, found, place } => {
                    rule = name;
                    let place = place.map(|place| format!("_{}", name_of(&place))).unwrap_or_default();
                    let found = match condition.as_str() {
                        "channel" | "language" => self.word(condition, found, &[]),
                        "confidence_below" => local(found, self.language),
                        _ => found.clone(),
                    };
                    conditions.push(self.word(
                        "condition",
                        &format!("{condition}{place}"),
                        &[("{found}", &found)],
                    ));
                }
                Evidence::Demand { description, demand, .. } => {
                    demands.push(self.word("demand", &name_of(demand), &[]));
                    about = description.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
                }
                Evidence::Signal { .. }
                | Evidence::Topic { .. }
                | Evidence::Passage { .. }
                | Evidence::Message { .. } => {}
            }
        }
        if demands.is_empty() {
            demands.push(self.word("demand", "applies", &[]));
        }
        let [demands, conditions] = [demands, conditions].map(|parts| listed(&parts, self.language));
        let fill =
            [("{rule}", rule), ("{about}", &about), ("{demand}", &demands), ("{conditions}", &conditions)];
        vec![self.say("rule", &fill)]
    }

    /// The messages that the reason stands on, quoted as they are stored.
    fn messages(&self, key: &str) -> Vec<String> {
        let named = |id: &str| {
            self.suggestion.conversation.messages.iter().find(|message| message.id == id).map(|m| &m.text)
        };
        let told = |evidence: &Evidence| match evidence {
            Evidence::Message { id } => Some(self.say(key, &[("{quote}", &quoted(named(id)?))])),
            _ => None,
        };
        self.reason.evidence.iter().filter_map(told).collect()
    }

    /// What a person wrote, or the draft that a person sent.
    fn person(&self) -> Vec<String> {
        let Some((draft, at)) = self.signal("sent_draft").zip(self.signal("sent_draft_at")) else {
            return self.messages("person_wrote");
        };
        vec![self.say("person_sent", &[("{draft}", draft), ("{date}", day(at))])]
    }

    fn certificate(&self) -> Vec<String> {
        let Some(draft) = self.draft() else { return Vec::new() };
        vec![match draft.lapsed {
            _ if !draft.calibrated => self.say("no_calibration", &[]),
            Some(drift) => self.say("drift", &[("{share}", &share(drift))]),
            None => self.say("nothing_certified", &[]),
        }]
    }

    fn confidence(&self, key: &str, limit: impl Fn(DraftFacts) -> Option<f64>) -> Vec<String> {
        let Some((draft, limit)) = self.draft().and_then(|draft| Some((draft, limit(draft)?))) else {
            return Vec::new();
        };
        let (value, limit) = apart(draft.confidence, limit, self.language);
        vec![self.say(key, &[("{value}", &value), ("{limit}", &limit)])]
    }

    fn topics(&self) -> Vec<String> {
        if let Some(since) = self.signal("opted_out_at") {
            let elsewhere = self.signal("opted_out_in").is_some();
            let key = if elsewhere { "opted_out_elsewhere" } else { "opted_out" };
            return vec![self.say(key, &[("{date}", day(since))])];
        }
        let told = |evidence: &Evidence| {
            let Evidence::Topic { name, found } = evidence else { return None };
            let matched = self.suggestion.trace.understanding.topic(name);
            let like = matched.filter(|matched| matched.by == MatchedBy::Example);
            let quote = quoted(found);
            let heard = match like {
                Some(matched) => {
                    let score = placed(matched.score, 2, self.language);
                    self.say("example", &[("{quote}", &quote), ("{score}", &score)])
                }
                None => self.say("phrase", &[("{quote}", &quote)]),
            };
            // One reason, three topics: which one it is.
            let which = self.reason.code == ReasonCode::Complaint;
            Some(if which { format!("{}: {heard}", self.word("topic", name, &[])) } else { heard })
        };
        self.reason.evidence.iter().filter_map(told).collect()
    }

    /// The best passages with their scores.
    fn nearest(&self, without: &str) -> Vec<String> {
        let told = |evidence: &Evidence| {
            let Evidence::Passage { id, title, .. } = evidence else { return None };
            let hit = self.suggestion.trace.retrieved.iter().find(|hit| hit.passage.id == *id)?;
            let coverage = share(f64::from(hit.scores.coverage));
            let fill = [("{title}", title.as_str()), ("{coverage}", coverage.as_str())];
            let Some(dense) = hit.scores.dense else { return Some(self.say("passage_unscored", &fill)) };
            let similarity = placed(f64::from(dense), 2, self.language);
            Some(self.say("passage", &[fill[0], fill[1], ("{similarity}", similarity.as_str())]))
        };
        let passages: Vec<String> = self.reason.evidence.iter().filter_map(told).collect();
        if passages.is_empty() {
            let without = if self.signal("passages").is_some() { "nothing_found" } else { without };
            return vec![self.say(without, &[])];
        }
        vec![self.say("nearest", &[("{passages}", &listed(&passages, self.language))])]
    }

    fn injection(&self) -> Vec<String> {
        let injection = &self.suggestion.trace.understanding.injection;
        if injection.attempted() {
            let told = |sign: Sign<'_>| match sign {
                Sign::Phrase(phrase) => self.say("phrase", &[("{quote}", phrase)]),
                Sign::Example(example) => self.say("like", &[("{quote}", example)]),
                Sign::Named(name) => self.word("sign", name, &[]),
            };
            return injection.told().map(told).collect();
        }
        let told = |evidence: &Evidence| match evidence {
            Evidence::Passage { title, found, .. } if found == HIDDEN => {
                Some(self.say("injection_hidden", &[("{title}", title)]))
            }
            Evidence::Passage { title, found, .. } => {
                Some(self.say("injection_passage", &[("{title}", title), ("{quote}", &quoted(found))]))
            }
            _ => None,
        };
        let passages: Vec<String> = self.reason.evidence.iter().filter_map(told).take(NAMED).collect();
        let mut checks = self.decided().into_iter().flat_map(|decided| &decided.checks);
        let name = checks
            .any(|check| check.check == ReasonCode::Injection && check.verdict == Verdict::Escalate)
            .then(|| self.say("injection_name", &[]));
        if passages.is_empty() { name.into_iter().collect() } else { passages }
    }

    fn ungrounded(&self) -> Vec<String> {
        let sentences = self.suggestion.trace.judgement.as_ref().map(|judgement| &judgement.sentences);
        let sentences = sentences.into_iter().flatten();
        let claims: Vec<String> = sentences
            .clone()
            .flat_map(|sentence| &sentence.unsupported)
            .take(NAMED)
            .map(|claim| format!("“{}”", quoted(claim)))
            .collect();
        if !claims.is_empty() {
            return vec![self.say("unsupported", &[("{claims}", &listed(&claims, self.language))])];
        }
        if let Some(doubted) = self.second_reading() {
            return vec![doubted];
        }
        if self.draft().is_some_and(|draft| draft.citations == 0) {
            return vec![self.say("no_citation", &[])];
        }
        let weakest = sentences.min_by(|one, other| one.support.total_cmp(&other.support));
        let told = |text: &str, support: f64| {
            let support = placed(support, 2, self.language);
            self.say("weakest_sentence", &[("{quote}", &quoted(text)), ("{support}", &support)])
        };
        weakest.map(|sentence| told(&sentence.text, sentence.support)).into_iter().collect()
    }

    fn second_reading(&self) -> Option<String> {
        self.reason.evidence.iter().find_map(|evidence| {
            let Evidence::Signal { name, found, limit: Some(limit) } = evidence else { return None };
            let [found, limit] = [found, limit].map(|number| local(number, self.language));
            (name == "second_reading")
                .then(|| self.say("second_reading", &[("{found}", &found), ("{limit}", &limit)]))
        })
    }

    fn agents_only(&self) -> Vec<String> {
        let retrieved = self.suggestion.trace.retrieved.iter();
        let mut titles: Vec<String> = retrieved
            .filter(|hit| hit.passage.audience == Audience::Agents)
            .map(|hit| format!("“{}”", hit.passage.heading()))
            .collect();
        titles.dedup();
        titles.truncate(NAMED);
        if titles.is_empty() {
            return Vec::new();
        }
        vec![self.say("agents_only", &[("{titles}", &listed(&titles, self.language))])]
    }

    /// What the checks of a draft and of the window measured.
    fn measured(&self) -> Vec<String> {
        let mut clauses = Vec::new();
        let (mut kinds, mut promises) = (Vec::new(), Vec::new());
        for evidence in &self.reason.evidence {
            let Evidence::Signal { name, found, limit } = evidence else { continue };
            let limit = limit.as_deref().unwrap_or_default();
            match name.as_str() {
                "personal_data" => kinds.push(self.word("personal_data", found, &[])),
                "promise" => promises.push(self.word("promise", found, &[])),
                "characters" | "bytes" => {
                    clauses.push(self.say(name, &[("{found}", found), ("{limit}", limit)]));
                }
                "reply_window_hours" => clauses.push(self.say("window", &[("{hours}", found)])),
                "reply_template" => clauses.push(self.say("template", &[("{template}", found)])),
                "language" => {
                    let [found, expected] =
                        [found.as_str(), limit].map(|code| self.word("language", code, &[]));
                    let fill = [("{found}", found.as_str()), ("{expected}", &expected)];
                    clauses.push(self.say("languages", &fill));
                }
                _ => {}
            }
        }
        if !kinds.is_empty() {
            clauses.push(self.say("personal_data", &[("{kinds}", &listed(&kinds, self.language))]));
        }
        if !promises.is_empty() {
            clauses.push(self.say("promises", &[("{promises}", &listed(&promises, self.language))]));
        }
        clauses
    }

    fn nothing_to_answer(&self) -> Vec<String> {
        let messages = self.suggestion.conversation.messages.iter().rev();
        let last = messages.map(|message| message.role).find(|role| *role != Role::System);
        vec![self.say(if last == Some(Role::Customer) { "no_words" } else { "not_customers" }, &[])]
    }

    /// What was measured under a name.
    fn signal(&self, wanted: &str) -> Option<&str> {
        self.reason.evidence.iter().find_map(|evidence| match evidence {
            Evidence::Signal { name, found, .. } if name == wanted => Some(found.as_str()),
            _ => None,
        })
    }
}

fn share(value: f64) -> String {
    format!("{:.0}%", 100.0 * value)
}

/// The day alone, of a time in RFC 3339.
fn day(at: &str) -> &str {
    at.split('T').next().unwrap_or(at)
}

/// The beginning of a text, on one line.
fn quoted(text: &str) -> String {
    cut(&collapse(text), QUOTED)
}

/// With a capital letter and a full stop.
fn sentence(clauses: &str) -> String {
    let mut letters = clauses.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => String::new(),
    }
}
