//! What would have changed a decision: the smallest change of what was measured that gives another action.
//!
//! [`decide`] is pure, so nothing is guessed: obstacles are taken away, as few as will do, and the decision is taken again.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decision::rollout::Allowed;
use crate::decision::{Action, DecisionInput, Evidence, Mode, PolicyCheck, ReasonCode, Verdict, decide};
use crate::store::suggestion::TriedQuote;

/// More obstacles than this are not taken away together: nobody reads so long a list.
const MOST: usize = 5;

/// A change of what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The call runs in the mode `auto`.
    Mode,
    /// The rollout has come to automatic replies in conversations like this one.
    Rollout,
    /// The message has not been answered automatically before.
    NotAnsweredBefore,
    /// A fixed check finds nothing.
    Check {
        /// Which.
        check: ReasonCode,
    },
    /// A rule of the operator's own does not apply.
    Rule {
        /// Which.
        name: String,
    },
    /// The confidence reaches a threshold, or falls under it.
    Confidence {
        /// Which it is.
        from: f64,
        /// The certified threshold, or the floor under which a person takes over.
        threshold: f64,
    },
    /// The quote that was measured before the model was asked reaches its threshold, and is sent.
    Quote {
        /// Which confidence it came to.
        from: f64,
        /// The certified threshold.
        threshold: f64,
    },
    /// A certificate for the model, prompt, embedder, workspace, language and today's knowledge, at a threshold that the
    /// confidence reaches.
    Certificate,
    /// Every sentence stands on a cited passage.
    Grounded,
    /// There is a draft.
    Draft,
    /// Index and model answer in time.
    Available,
}

/// Changes that together give another action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Counterfactual {
    /// The action that would have been taken. Where a quote was sent the model would have been asked first, and what its draft
    /// would have come to is not known.
    pub action: Action,
    /// What would have had to be otherwise, all of it.
    pub changes: Vec<Change>,
}

/// For each other action that a change leads to, the smallest one; the more lenient action first. Of an automatic reply,
/// what would have held it. `quote` was measured before the model was asked.
pub fn counterfactuals(input: &DecisionInput, quote: Option<&TriedQuote>) -> Vec<Counterfactual> {
    let action = decide(input).action;
    if action == Action::AutoReply {
        return held(input).into_iter().collect();
    }
    let obstacles = obstacles(input);
    let drafted = smallest(input, &obstacles, Action::AutoReply);
    let quoted = quote.and_then(|quote| quote_sent(&obstacles, quote));
    // Of two that are equally small, the one that was measured to fall short is nearer than a draft that nothing may send.
    let sent = [quoted, drafted].into_iter().flatten().min_by_key(|found| found.changes.len());
    let looked_at = (action > Action::Draft).then(|| smallest(input, &obstacles, Action::Draft)).flatten();
    sent.into_iter().chain(looked_at).collect()
}

/// The smallest change that leads to an action. What no other change makes up for is part of each, so that only the rest is
/// searched, by growing number: of any number of rules that is little.
fn smallest(input: &DecisionInput, obstacles: &[Change], action: Action) -> Option<Counterfactual> {
    let action_without = |places: &[usize]| {
        let changes: Vec<&Change> = places.iter().map(|place| &obstacles[*place]).collect();
        decide(&without(input, &changes)).action
    };
    let (needed, rest): (Vec<usize>, Vec<usize>) = (0..obstacles.len()).partition(|place| {
        let others: Vec<usize> = (0..obstacles.len()).filter(|other| other != place).collect();
        action_without(&others) > action
    });
    let more = (needed.len()..=MOST).flat_map(|size| choices(rest.len(), size - needed.len()));
    let mut tried = more.map(|chosen| {
        let mut places: Vec<usize> = chosen.into_iter().map(|place| rest[place]).collect();
        places.extend(&needed);
        places.sort_unstable();
        places
    });
    let places = tried.find(|places| action_without(places) == action)?;
    Some(Counterfactual {
        action,
        changes: places.into_iter().map(|place| obstacles[place].clone()).collect(),
    })
}

/// The quote, sent by itself, where its confidence alone held it: the draft's own obstacles would not have mattered.
fn quote_sent(obstacles: &[Change], quote: &TriedQuote) -> Option<Counterfactual> {
    if quote.held != [ReasonCode::BelowThreshold] {
        return None;
    }
    let short = Change::Quote { from: quote.confidence, threshold: quote.threshold? };
    let common =
        |change: &&Change| matches!(change, Change::Mode | Change::Rollout | Change::NotAnsweredBefore);
    let changes = std::iter::once(short).chain(obstacles.iter().filter(common).cloned()).collect();
    Some(Counterfactual { action: Action::AutoReply, changes })
}

/// The nearest change that stops an automatic reply.
fn held(input: &DecisionInput) -> Option<Counterfactual> {
    let draft = input.draft?;
    let change = Change::Confidence { from: draft.confidence, threshold: draft.threshold? };
    Some(Counterfactual { action: Action::Draft, changes: vec![change] })
}

/// Everything that stands against an automatic reply.
fn obstacles(input: &DecisionInput) -> Vec<Change> {
    let mut obstacles = Vec::new();
    if input.unavailable.is_some() {
        obstacles.push(Change::Available);
    }
    for check in input.checks.iter().filter(|check| check.verdict != Verdict::Pass) {
        let change = passing(check);
        if !obstacles.contains(&change) {
            obstacles.push(change);
        }
    }
    match input.draft {
        None => obstacles.push(Change::Draft),
        Some(draft) => {
            if let Some(floor) = draft.floor.filter(|floor| draft.calibrated && draft.confidence < *floor) {
                obstacles.push(Change::Confidence { from: draft.confidence, threshold: floor });
            }
            match draft.threshold {
                Some(threshold) if draft.calibrated && draft.lapsed.is_none() => {
                    if draft.confidence.is_nan() || draft.confidence < threshold {
                        obstacles.push(Change::Confidence { from: draft.confidence, threshold });
                    }
                }
                _ => obstacles.push(Change::Certificate),
            }
            if (!draft.grounded || draft.citations == 0) && !obstacles.contains(&UNGROUNDED) {
                obstacles.push(Change::Grounded);
            }
        }
    }
    if input.mode != Mode::Auto {
        obstacles.push(Change::Mode);
    }
    if input.rollout.objection().is_some() {
        obstacles.push(Change::Rollout);
    }
    if input.already_replied {
        obstacles.push(Change::NotAnsweredBefore);
    }
    obstacles
}

/// That a check finds nothing: of the operator's rules each one by itself.
fn passing(check: &PolicyCheck) -> Change {
    let rule = check.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Rule { name, .. } | Evidence::Demand { rule: name, .. } => Some(name.clone()),
        _ => None,
    });
    rule.map_or(Change::Check { check: check.check }, |name| Change::Rule { name })
}

/// The input with some obstacles out of the way.
fn without(input: &DecisionInput, changes: &[&Change]) -> DecisionInput {
    let mut input = input.clone();
    for change in changes {
        match change {
            Change::Mode => input.mode = Mode::Auto,
            Change::Rollout => input.rollout = Allowed::default(),
            Change::NotAnsweredBefore => input.already_replied = false,
            Change::Available => input.unavailable = None,
            Change::Check { .. } | Change::Rule { .. } => {
                for found in input.checks.iter_mut().filter(|found| passing(found) == **change) {
                    found.verdict = Verdict::Pass;
                }
                if **change == UNGROUNDED {
                    ground(&mut input);
                }
            }
            Change::Confidence { threshold, .. } => {
                if let Some(draft) = &mut input.draft {
                    draft.confidence = draft.confidence.max(*threshold);
                }
            }
            // It takes the place of what was decided on, and is not looked for in there.
            Change::Quote { .. } => {}
            Change::Certificate => {
                if let Some(draft) = &mut input.draft {
                    (draft.calibrated, draft.threshold) = (true, Some(draft.confidence));
                    (draft.lapsed, draft.floor) = (None, None);
                }
            }
            Change::Grounded => ground(&mut input),
            // What a draft would be worth is not known: it would be looked at.
            Change::Draft => input.draft = input.draft.or(Some(UNKNOWN)),
        }
    }
    input
}

/// Every sentence of the draft stands on a cited passage.
fn ground(input: &mut DecisionInput) {
    if let Some(draft) = &mut input.draft {
        (draft.grounded, draft.citations) = (true, draft.citations.max(1));
    }
}

const UNGROUNDED: Change = Change::Check { check: ReasonCode::Ungrounded };

const UNKNOWN: crate::decision::DraftFacts = crate::decision::DraftFacts {
    citations: 1,
    grounded: true,
    confidence: 0.0,
    calibrated: false,
    threshold: None,
    lapsed: None,
    floor: None,
};

/// Every choice of `size` out of `count`, in order.
fn choices(count: usize, size: usize) -> Vec<Vec<usize>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    (size - 1..count)
        .flat_map(|last| {
            choices(last, size - 1).into_iter().map(move |mut chosen| {
                chosen.push(last);
                chosen
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::rollout::Stage;
    use crate::decision::{Demand, DraftFacts, Unavailable};

    fn input(change: impl FnOnce(&mut DecisionInput)) -> DecisionInput {
        let mut input = DecisionInput {
            mode: Mode::Auto,
            checks: Vec::new(),
            draft: Some(DraftFacts {
                citations: 1,
                grounded: true,
                confidence: 0.97,
                calibrated: true,
                threshold: Some(0.95),
                lapsed: None,
                floor: None,
            }),
            already_replied: false,
            unavailable: None,
            rollout: Allowed::default(),
        };
        change(&mut input);
        input
    }

    fn check(check: ReasonCode, verdict: Verdict) -> PolicyCheck {
        PolicyCheck { check, verdict, detail: None, evidence: Vec::new() }
    }

    #[test]
    fn one_obstacle_is_one_change() {
        for (input, change) in [
            (input(|i| i.mode = Mode::Draft), Change::Mode),
            (input(|i| i.already_replied = true), Change::NotAnsweredBefore),
            (input(|i| i.rollout.stage = Stage::Draft), Change::Rollout),
            (
                input(|i| i.draft.as_mut().unwrap().confidence = 0.9),
                Change::Confidence { from: 0.9, threshold: 0.95 },
            ),
            (input(|i| i.draft.as_mut().unwrap().threshold = None), Change::Certificate),
            (input(|i| i.draft.as_mut().unwrap().lapsed = Some(0.4)), Change::Certificate),
            (input(|i| i.draft.as_mut().unwrap().grounded = false), Change::Grounded),
            (
                input(|i| i.checks.push(check(ReasonCode::AsksForHuman, Verdict::Escalate))),
                Change::Check { check: ReasonCode::AsksForHuman },
            ),
        ] {
            let found = counterfactuals(&input, None);
            assert_eq!(found, [Counterfactual { action: Action::AutoReply, changes: vec![change] }]);
        }
    }

    #[test]
    fn the_smallest_change_of_each_action_is_told() {
        let input = input(|i| {
            i.mode = Mode::Draft;
            i.checks.push(check(ReasonCode::TooLong, Verdict::Draft));
            i.checks.push(check(ReasonCode::Complaint, Verdict::Escalate));
            i.draft.as_mut().unwrap().confidence = 0.5;
        });
        let found = counterfactuals(&input, None);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].action, found[0].changes.len()), (Action::AutoReply, 4));
        assert_eq!(
            found[1],
            Counterfactual {
                action: Action::Draft,
                changes: vec![Change::Check { check: ReasonCode::Complaint }]
            }
        );
        for counterfactual in found {
            let changes: Vec<&Change> = counterfactual.changes.iter().collect();
            assert_eq!(decide(&without(&input, &changes)).action, counterfactual.action);
        }
    }

    fn rule(name: &str, verdict: Verdict) -> PolicyCheck {
        let demand = if verdict == Verdict::Escalate { Demand::Escalate } else { Demand::Draft };
        let evidence = vec![Evidence::Demand { rule: name.into(), description: None, demand }];
        PolicyCheck { evidence, ..check(ReasonCode::Policy, verdict) }
    }

    fn named(name: &str) -> Change {
        Change::Rule { name: name.into() }
    }

    #[test]
    fn each_rule_is_a_change_of_its_own() {
        let mut ruled = input(|i| {
            i.checks.push(rule("b", Verdict::Draft));
            i.checks.push(rule("a", Verdict::Escalate));
        });
        let found = counterfactuals(&ruled, None);
        assert_eq!(
            (found[0].action, &found[0].changes[..]),
            (Action::AutoReply, &[named("b"), named("a")][..])
        );
        assert_eq!((found[1].action, &found[1].changes[..]), (Action::Draft, &[named("a")][..]));
        // So many are not named, but the one that escalates is.
        ruled.checks.extend((0..60).map(|number| rule(&number.to_string(), Verdict::Draft)));
        let found = counterfactuals(&ruled, None);
        assert_eq!(found, [Counterfactual { action: Action::Draft, changes: vec![named("a")] }]);
    }

    /// Inputs with up to eight obstacles, some of which stand in for others.
    fn inputs() -> impl Iterator<Item = DecisionInput> {
        (0..128_u32).flat_map(|bits| {
            let on = move |bit: u32| bits & (1 << bit) != 0;
            [(0.97, None), (0.5, None), (0.3, Some(0.4)), (0.3, Some(0.96))].map(|(confidence, floor)| {
                input(|i| {
                    i.unavailable = on(0).then_some(Unavailable::Model);
                    let draft = DraftFacts { confidence, floor, ..i.draft.unwrap() };
                    let threshold = draft.threshold.filter(|_| !on(1));
                    i.draft = (!on(2)).then_some(DraftFacts { threshold, grounded: !on(3), ..draft });
                    let checks = [
                        check(ReasonCode::Ungrounded, Verdict::Draft),
                        rule("a", Verdict::Escalate),
                        rule("b", Verdict::Draft),
                    ];
                    i.checks =
                        (4..).zip(checks).filter(|(bit, _)| on(*bit)).map(|(_, check)| check).collect();
                })
            })
        })
    }

    #[test]
    fn no_smaller_change_leads_there() {
        for input in inputs() {
            let (decided, obstacles) = (decide(&input).action, obstacles(&input));
            let found = counterfactuals(&input, None);
            for action in [Action::AutoReply, Action::Draft].into_iter().filter(|action| *action < decided) {
                let leads = |chosen: &Vec<usize>| {
                    let changes: Vec<&Change> = chosen.iter().map(|place| &obstacles[*place]).collect();
                    decide(&without(&input, &changes)).action == action
                };
                let least = (1..=MOST).find(|size| choices(obstacles.len(), *size).iter().any(leads));
                let told = found.iter().find(|found| found.action == action);
                assert_eq!(told.map(|found| found.changes.len()), least, "{action:?} of {input:?}");
                if let Some(told) = told {
                    let changes: Vec<&Change> = told.changes.iter().collect();
                    assert_eq!(decide(&without(&input, &changes)).action, action, "{told:?} of {input:?}");
                }
            }
        }
    }

    #[test]
    fn a_quote_that_fell_short_is_the_nearest_miss() {
        let quote = |held: &[ReasonCode]| TriedQuote {
            confidence: 0.897,
            threshold: Some(0.8988),
            held: held.to_vec(),
        };
        let short = Change::Quote { from: 0.897, threshold: 0.8988 };
        let uncertified = input(|i| i.draft.as_mut().unwrap().calibrated = false);
        let changes = |input: &DecisionInput, quote: &TriedQuote| {
            counterfactuals(input, Some(quote)).into_iter().next().unwrap().changes
        };
        let below = quote(&[ReasonCode::BelowThreshold]);
        assert_eq!(changes(&uncertified, &below), std::slice::from_ref(&short));
        let other = quote(&[ReasonCode::TooLong, ReasonCode::BelowThreshold]);
        assert_eq!(changes(&uncertified, &other), [Change::Certificate]);
        let shadow = DecisionInput { mode: Mode::Shadow, ..uncertified };
        assert_eq!(changes(&shadow, &below), [short, Change::Mode]);
        let only_the_mode = input(|i| i.mode = Mode::Shadow);
        assert_eq!(changes(&only_the_mode, &below), [Change::Mode], "the draft is nearer");
    }

    #[test]
    fn an_automatic_reply_is_held_by_less_confidence() {
        let found = counterfactuals(&input(|_| ()), None);
        assert_eq!(
            found,
            [Counterfactual {
                action: Action::Draft,
                changes: vec![Change::Confidence { from: 0.97, threshold: 0.95 }]
            }]
        );
    }

    #[test]
    fn an_escalation_without_a_draft_would_have_needed_one() {
        let input = input(|i| {
            i.draft = None;
            i.checks.push(check(ReasonCode::NothingRelevant, Verdict::Escalate));
        });
        let found = counterfactuals(&input, None);
        assert_eq!(
            found,
            [Counterfactual {
                action: Action::Draft,
                changes: vec![Change::Check { check: ReasonCode::NothingRelevant }, Change::Draft]
            }]
        );
    }
}
