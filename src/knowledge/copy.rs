//! Documents of another store, taken over as they are.

use tokio_util::sync::CancellationToken;

use super::identity::text_hash;
use super::{KnowledgeError, Library};
use crate::conversation::WorkspaceId;
use crate::store::versions::{ChangeKind, Staged};
use crate::store::{Documents, Page, Store};

/// Documents that are read at once.
const PAGE: usize = 100;

impl Library {
    /// Takes over a workspace's documents with their passages, in one generation.
    pub async fn copy_from(&self, from: &dyn Store, workspace: &WorkspaceId) -> Result<(), KnowledgeError> {
        let change = self.begin(workspace, ChangeKind::Sync).await?;
        let work = async {
            let mut after = None;
            loop {
                let page = Documents::list(from, workspace, Page { after, limit: PAGE }).await?;
                for document in page.items {
                    let passages = from.passages(workspace, &document.id).await?;
                    let text_hash = text_hash(&document.text);
                    let staged =
                        Staged { document, passages, text_hash, restores: None, refuses: Vec::new() };
                    self.store.stage(change, &staged).await?;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            self.send_staged(workspace, change, &CancellationToken::new()).await?;
            self.publish(workspace, change).await
        };
        self.or_abandon(change, work).await.map(drop)
    }
}
