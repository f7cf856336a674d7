//! Quotes beside the model: what one came to, whether it is sent, and how it takes the place of a draft.

use tokio::sync::mpsc::UnboundedSender;

use super::{Findings, bounds};
use crate::decision::rollout::Allowed;
use crate::decision::{DecisionInput, Mode, ReasonCode, decide};
use crate::generation::RESTART;
use crate::store::suggestion::TriedQuote;

/// What a quote came to, and what holds it whatever the mode and the rollout: in the shadow, and on the way there, that is what
/// would be sent. Nothing where no sentence was quoted.
pub(super) fn measured(quoted: &Findings, input: &DecisionInput) -> Option<TriedQuote> {
    let judged = quoted.judged.as_ref().filter(|judged| judged.answers())?;
    let freely = DecisionInput { mode: Mode::Auto, rollout: Allowed::default(), ..input.clone() };
    let mut held: Vec<ReasonCode> = decide(&freely).reasons.into_iter().map(|reason| reason.code).collect();
    held.dedup();
    let (threshold, _) = bounds(judged.standing);
    Some(TriedQuote { confidence: judged.judgement.confidence.value, threshold, held })
}

/// Whether a quote is sent without asking a model.
pub(super) fn suffices(quoted: &Findings) -> bool {
    quoted.quote.as_ref().is_some_and(|quote| quote.held.is_empty())
}

/// Takes a quote in place of what was found, and shows it.
pub(super) fn adopt(
    (quoted, input): (Findings, DecisionInput),
    found: &mut Findings,
    deltas: Option<&UnboundedSender<String>>,
) -> DecisionInput {
    if let (Some(deltas), Some(judged)) = (deltas, &quoted.judged) {
        // Nobody may be reading any more.
        let _ = deltas.send(RESTART.to_owned()).and_then(|()| deltas.send(judged.draft.text.clone()));
    }
    *found = quoted;
    input
}

/// Keeps what was measured of a quote of what customers may read, for that alone may be sent. Where a quote of all there is became
/// the draft, the trace measures that.
pub(super) fn keep(public: Option<TriedQuote>, again: &mut Findings) {
    let quotes = again.judged.as_ref().is_some_and(|judged| judged.draft.production.model.quotes());
    // A draft that quotes beside a quote that was held is the last resort of a model that failed.
    let adopted = quotes && again.quote.as_ref().is_none_or(|quote| quote.held.is_empty());
    if !adopted && public.is_some() {
        again.quote = public;
    }
}
