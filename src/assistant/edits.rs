//! What the rules of the policies' folder do to a draft.

use tokio::sync::mpsc::UnboundedSender;

use super::{Asked, Assistant, Findings};
use crate::decision::rules;
use crate::generation::RESTART;

impl Assistant {
    /// Holds the draft against the rules, and takes out and adds what they say. The fixed checks read what results.
    pub(super) fn apply_rules(
        &self,
        asked: Asked<'_>,
        deltas: Option<&UnboundedSender<String>>,
        found: &mut Findings,
    ) {
        if found.judged.is_none() {
            return;
        }
        let matches = asked.rules.matches(asked.workspace, &self.policy_input(asked, found));
        found.matches = matches;
        let Some(judged) = found.judged.as_mut().filter(|judged| !judged.draft.production.refused) else {
            return;
        };
        let blocked = rules::blocked(&found.matches);
        let edited = rules::edited(&found.matches, &judged.draft.text, judged.draft.language);
        if let Some(deltas) = deltas.filter(|_| blocked || edited.is_some()) {
            // What agents have read so far is not what the rules leave. Nobody may be reading any more.
            let shown = edited.clone().filter(|_| !blocked).unwrap_or_default();
            let _ = deltas.send(RESTART.to_owned()).and_then(|()| deltas.send(shown));
        }
        if let Some(text) = edited {
            judged.draft.text = text;
        }
    }
}
