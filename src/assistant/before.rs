//! What is stored of a conversation before it is answered.

use super::understand::Understood;
use crate::conversation::{Conversation, WorkspaceId};
use crate::decision::DecisionInput;
use crate::decision::policy::human_took_over::SentDraft;
use crate::decision::policy::opted_out::OptOut;
use crate::decision::rollout::{Allowed, Stage, Step, allowed};
use crate::store::suggestion::Suggestion;
use crate::store::{Store, StoreError};

/// What is stored of the conversation, and of how far the rollout has come; nothing where nothing is stored.
#[derive(Default, PartialEq)]
pub(super) struct Before {
    pub(super) already_replied: bool,
    /// Opt-outs in the conversation, and of its customer.
    pub(super) opt_outs: Vec<OptOut>,
    /// The newest draft of the conversation that an agent sent.
    pub(super) sent_draft: Option<SentDraft>,
    rollout: Rollout,
}

/// How far the rollout has come.
#[derive(PartialEq)]
enum Rollout {
    /// The changes in force, and the stage where none of them counts.
    Now(Vec<Step>, Stage),
    /// What it allowed when the conversation was answered.
    Then(Allowed),
}

impl Default for Rollout {
    fn default() -> Self {
        Self::Now(Vec::new(), Stage::Auto)
    }
}

impl Before {
    /// As it is now; `unset` is the stage where nobody has set one.
    pub(super) async fn read(
        store: &dyn Store,
        workspace: &WorkspaceId,
        conversation: &Conversation,
        unset: Stage,
    ) -> Result<Self, StoreError> {
        let mut before = Self {
            opt_outs: store.opt_outs(workspace, conversation).await?,
            sent_draft: store.sent_draft(workspace, &conversation.id).await?,
            rollout: Rollout::Now(store.steps(workspace).await?, unset),
            ..Self::default()
        };
        if let Some(message) = conversation.last_customer_message() {
            before.already_replied = store.auto_replied(workspace, &conversation.id, &message.id).await?;
        }
        Ok(before)
    }

    /// As it was when a suggestion was made, as far as its trace tells; of the opt-outs, those that came before it and were
    /// not heard by itself.
    pub(super) fn then(stored: &Suggestion, opt_outs: Vec<OptOut>) -> Self {
        let answered = stored.conversation.last_customer_message().map(|message| &message.id);
        let before = |opt_out: &OptOut| {
            let own = opt_out.conversation_id == stored.conversation.id
                && answered.is_some_and(|id| *id == opt_out.message_id);
            opt_out.at <= stored.created_at && !own
        };
        let decided = stored.trace.decided.as_ref();
        let sent_draft = |decided: &DecisionInput| SentDraft::held(&stored.conversation, &decided.checks);
        Self {
            already_replied: decided.is_some_and(|decided| decided.already_replied),
            opt_outs: opt_outs.into_iter().filter(before).collect(),
            sent_draft: decided.and_then(sent_draft),
            rollout: Rollout::Then(stored.trace.rollout.clone()),
        }
    }

    /// How far Ponto may go in a conversation.
    pub(super) fn allowed(
        &self,
        workspace: &WorkspaceId,
        conversation: &Conversation,
        understood: &Understood,
    ) -> Allowed {
        let (steps, unset) = match &self.rollout {
            Rollout::Now(steps, unset) => (steps, *unset),
            Rollout::Then(allowed) => return allowed.clone(),
        };
        let topics: Vec<&str> =
            understood.understanding.topics.iter().map(|topic| topic.name.as_str()).collect();
        let place = (conversation.id.as_str(), conversation.channel);
        allowed(steps, unset, workspace, place, &topics, understood.language)
    }
}
