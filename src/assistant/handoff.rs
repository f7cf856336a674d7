//! What goes to the person who takes over: what was tried, and what the customer reads meanwhile.

use super::{Asked, Assistant, Findings};
use crate::conversation::{Conversation, Language};
use crate::decision::rules;
use crate::decision::{Action, Decision, PolicyCheck, ReasonCode, Verdict};
use crate::generation::holding_message;
use crate::generation::plain::unformatted;
use crate::store::suggestion::{Handoff, Looked, Tried, TriedDraft};

/// Passages that are named.
const LOOKED_AT: usize = 5;

impl Assistant {
    /// What the person who takes over needs; nothing where nobody has to.
    pub(super) async fn hand_over(
        &self,
        asked: Asked<'_>,
        found: &Findings,
        decision: &Decision,
    ) -> Option<Handoff> {
        if decision.action != Action::Escalate {
            return None;
        }
        let Asked { conversation, understood, rules, budget, .. } = asked;
        let topics = &understood.understanding.topics;
        let (queue, priority) =
            rules.route(&found.matches, &decision.reasons, topics, self.parts.clock.now());
        Some(Handoff {
            reasons: decision.reasons.clone(),
            summary: self.parts.drafter.summarize(conversation, self.parts.agents, budget.clone()).await,
            tried: tried(&understood.query, found),
            queue,
            priority,
            holding_message: holding(
                conversation,
                decision,
                found,
                understood.language.unwrap_or(Language::En),
            ),
        })
    }
}

/// What became of a draft.
pub(super) fn outcome_of(found: &Findings) -> TriedDraft {
    match &found.judged {
        None => TriedDraft::None,
        Some(judged) if !judged.answers() => TriedDraft::NoAnswer,
        Some(_) if rules::blocked(&found.matches) => TriedDraft::Withheld,
        Some(_) => TriedDraft::Offered,
    }
}

/// What was done before the conversation was handed over.
fn tried(query: &str, found: &Findings) -> Tried {
    let queries = if query.trim().is_empty() { Vec::new() } else { vec![query.to_owned()] };
    let hits = found.retrieved.iter().filter(|hit| hit.found_now());
    let passages = hits.take(LOOKED_AT).map(|hit| Looked {
        id: hit.passage.id.clone(),
        document_id: hit.passage.document_id.clone(),
        heading: hit.passage.heading(),
        url: hit.passage.url.clone(),
    });
    Tried { queries, passages: passages.collect(), draft: outcome_of(found), quote: found.quote.clone() }
}

/// What tells the customer that a person takes over: the words of a rule, or the fixed ones. Nothing to a customer who wants
/// no more messages, nothing where the channel takes only templates by now, and nothing where a person writes with the customer
/// already. The store leaves out what would be the second in a row.
fn holding(
    conversation: &Conversation,
    decision: &Decision,
    found: &Findings,
    language: Language,
) -> Option<String> {
    // What the policies found of the reply window and of an opt-out stands among the reasons of an escalation.
    let silent = [ReasonCode::OptedOut, ReasonCode::ReplyWindowClosed];
    let silenced = decision.reasons.iter().any(|reason| silent.contains(&reason.code));
    let with_a_person =
        |check: &PolicyCheck| check.check == ReasonCode::HumanTookOver && check.verdict != Verdict::Pass;
    if silenced || found.checks.iter().any(with_a_person) {
        return None;
    }
    let text = rules::holding_message(&found.matches, language).unwrap_or_else(|| holding_message(language));
    Some(unformatted(text, conversation.channel))
}
