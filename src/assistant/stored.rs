//! What is stored of a suggestion. A trace never holds personal data that Ponto finds; conversation, draft and handover do,
//! for the agents, unless `privacy.store` says otherwise. Nothing of this changes what the caller is answered.

use crate::conversation::Audience;
use crate::decision::{Evidence, PolicyCheck, decide};
use crate::personal_data::{Placeholders, PrivacyConfig, StoredText, find};
use crate::store::suggestion::Suggestion;

/// The suggestion as it is stored. The decision comes out of its trace again, because it is taken from there.
pub(super) fn stored(suggestion: &Suggestion, privacy: &PrivacyConfig) -> Suggestion {
    let mut stored = suggestion.clone();
    let mut placeholders = learned(suggestion, privacy.mask_names);
    let mut mask = |text: &mut String| *text = placeholders.mask(text);
    mask_trace(&mut stored, &mut mask);
    if privacy.store == StoredText::Masked {
        mask_conversation(&mut stored, privacy.mask_names, &mut mask);
    }
    stored
}

/// What an agent says of a suggestion, as it is stored: what stands in the stored draft as it is stays so here.
pub fn stored_feedback(
    text: Option<String>,
    suggestion: &Suggestion,
    privacy: &PrivacyConfig,
) -> Option<String> {
    match privacy.store {
        StoredText::Plain => text,
        StoredText::Masked => text.map(|text| learned(suggestion, false).mask(&text)),
    }
}

/// Every value of the conversation under its placeholder; what customers may read in a passage is no secret.
fn learned(suggestion: &Suggestion, names: bool) -> Placeholders {
    let mut placeholders = Placeholders::default();
    let conversation = &suggestion.conversation;
    let drafts = suggestion.answer.drafts.iter().map(|draft| &draft.text);
    let texts: Vec<&String> =
        conversation.messages.iter().map(|message| &message.text).chain(drafts).collect();
    // Most conversations hold none, and then of the passages no more than the words need be read.
    let holds = texts.iter().any(|text| !find(text).is_empty());
    let public = suggestion.trace.retrieved.iter().map(|hit| &hit.passage);
    for passage in public.filter(|passage| passage.audience == Audience::Public) {
        if holds {
            placeholders.publish(&passage.text);
        } else {
            placeholders.read_words(&passage.text);
        }
    }
    let name = conversation.customer.as_ref().and_then(|customer| customer.name.as_deref());
    if let Some(name) = name.filter(|_| names) {
        placeholders.learn_name(name);
    }
    for text in texts {
        placeholders.learn(text);
    }
    placeholders
}

fn mask_trace(stored: &mut Suggestion, mask: &mut impl FnMut(&mut String)) {
    let trace = &mut stored.trace;
    mask(&mut trace.query);
    trace.understanding.topics.iter_mut().for_each(|topic| mask(&mut topic.example));
    trace.understanding.injection.signs.iter_mut().for_each(&mut *mask);
    for sentence in trace.judgement.iter_mut().flat_map(|judgement| &mut judgement.sentences) {
        mask(&mut sentence.text);
        sentence.unsupported.iter_mut().for_each(&mut *mask);
    }
    let Some(decided) = &mut trace.decided else { return };
    decided.checks.iter_mut().for_each(|check| mask_check(check, mask));
    stored.answer.policy.clone_from(&decided.checks);
    stored.answer.decision = decide(decided);
    if let Some(handoff) = &mut stored.answer.handoff {
        handoff.reasons.clone_from(&stored.answer.decision.reasons);
    }
}

fn mask_check(check: &mut PolicyCheck, mask: &mut impl FnMut(&mut String)) {
    check.detail.iter_mut().for_each(&mut *mask);
    for evidence in &mut check.evidence {
        match evidence {
            Evidence::Rule { found, .. }
            | Evidence::Signal { found, .. }
            | Evidence::Topic { found, .. }
            | Evidence::Passage { found, .. } => mask(found),
            Evidence::Demand { .. } | Evidence::Message { .. } => {}
        }
    }
}

fn mask_conversation(stored: &mut Suggestion, names: bool, mask: &mut impl FnMut(&mut String)) {
    let conversation = &mut stored.conversation;
    conversation.messages.iter_mut().for_each(|message| mask(&mut message.text));
    if let Some(customer) = &mut conversation.customer {
        customer.name = customer.name.take().filter(|_| !names);
        customer.attributes.values_mut().for_each(&mut *mask);
    }
    stored.answer.drafts.iter_mut().for_each(|draft| mask(&mut draft.text));
    if let Some(handoff) = &mut stored.answer.handoff {
        mask(&mut handoff.summary);
        handoff.tried.queries.iter_mut().for_each(mask);
    }
}
