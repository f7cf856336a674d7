//! What is stored of a conversation before it is answered.

use crate::conversation::{Conversation, WorkspaceId};
use crate::decision::policy::opted_out::OptOut;
use crate::decision::rollout::{Stage, Step};
use crate::store::{LastWord, Store, StoreError};

/// What is stored of the conversation, and of how far the rollout has come; nothing where nothing is stored.
#[derive(Default)]
pub(super) struct Before {
    pub(super) already_replied: bool,
    /// What was last said automatically, in answer to another message.
    pub(super) last_word: Option<LastWord>,
    /// Opt-outs in the conversation, and of its customer.
    pub(super) opt_outs: Vec<OptOut>,
    pub(super) steps: Vec<Step>,
    /// The stage where no step counts.
    pub(super) unset: Stage,
}

impl Before {
    pub(super) async fn read(
        store: &dyn Store,
        workspace: &WorkspaceId,
        conversation: &Conversation,
        unset: Stage,
    ) -> Result<Self, StoreError> {
        let mut before = Self {
            unset,
            steps: store.steps(workspace).await?,
            opt_outs: store.opt_outs(workspace, conversation).await?,
            ..Self::default()
        };
        if let Some(message) = conversation.last_customer_message() {
            before.already_replied = store.auto_replied(workspace, &conversation.id, &message.id).await?;
            before.last_word = store.last_word(workspace, &conversation.id, &message.id).await?;
        }
        Ok(before)
    }
}
