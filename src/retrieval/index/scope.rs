//! Which passages an index call may touch. Every query, count and deletion of either implementation takes a
//! [`Scope`], and the only way to get one is [`tenant_filter`].

use qdrant_client::qdrant as server;

use crate::conversation::{Language, WorkspaceId};
use crate::retrieval::index::IndexError;

/// Payload field of the tenant.
pub(super) const WORKSPACE: &str = "workspace";
/// Payload field of the language.
pub(super) const LANGUAGE: &str = "language";

/// The passages of one tenant, narrowed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    workspace: String,
    language: Option<Language>,
    ids: Option<Vec<String>>,
}

/// The tenant filter: the one place where it is made.
pub(super) fn tenant_filter(workspace: &WorkspaceId) -> Scope {
    Scope { workspace: workspace.0.clone(), language: None, ids: None }
}

impl Scope {
    /// Only passages in this language, and those whose language is not known.
    #[must_use]
    pub(super) fn in_language(mut self, language: Option<Language>) -> Self {
        self.language = language;
        self
    }

    /// Only these passages.
    #[must_use]
    pub(super) fn with_ids(mut self, ids: Vec<String>) -> Self {
        self.ids = Some(ids);
        self
    }

    /// For the embedded index.
    pub(super) fn edge(&self) -> Result<qdrant_edge::Filter, IndexError> {
        let mut must = vec![serde_json::json!({ "key": WORKSPACE, "match": { "value": self.workspace } })];
        if let Some(language) = self.language {
            must.push(serde_json::json!({ "should": [
                { "key": LANGUAGE, "match": { "value": language.code() } },
                { "is_empty": { "key": LANGUAGE } },
            ]}));
        }
        if let Some(ids) = &self.ids {
            must.push(serde_json::json!({ "has_id": ids }));
        }
        serde_json::from_value(serde_json::json!({ "must": must }))
            .map_err(|error| IndexError::Internal(format!("the tenant filter cannot be made: {error}")))
    }

    /// For the server.
    pub(super) fn server(&self) -> server::Filter {
        let mut must = vec![server::Condition::matches(WORKSPACE, self.workspace.clone())];
        if let Some(language) = self.language {
            must.push(
                server::Filter::should([
                    server::Condition::matches(LANGUAGE, language.code().to_owned()),
                    server::Condition::is_empty(LANGUAGE),
                ])
                .into(),
            );
        }
        if let Some(ids) = &self.ids {
            must.push(server::Condition::has_id(ids.iter().map(|id| server::PointId::from(id.clone()))));
        }
        server::Filter::must(must)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the tenant's name and the narrowing, both forms hold the tenant as a condition that must match.
        #[test]
        fn every_scope_requires_its_tenant(
            name in any::<String>(),
            language in prop::option::of(prop::sample::select(Language::ALL.to_vec())),
            ids in prop::option::of(prop::collection::vec(any::<u128>(), 0..4)),
        ) {
            let ids = ids.map(|ids| ids.into_iter().map(|id| uuid::Uuid::from_u128(id).to_string()).collect());
            let mut scope = tenant_filter(&WorkspaceId(name.clone())).in_language(language);
            if let Some(ids) = ids {
                scope = scope.with_ids(ids);
            }
            let edge = serde_json::to_value(scope.edge().expect("a filter")).expect("serializable");
            let wanted = serde_json::json!({ "key": WORKSPACE, "match": { "value": name } });
            prop_assert!(edge["must"].as_array().is_some_and(|must| must.contains(&wanted)), "{edge}");
            prop_assert!(edge.get("should").is_none_or(serde_json::Value::is_null));
            let server = scope.server();
            prop_assert!(server.must.contains(&server::Condition::matches(WORKSPACE, name.clone())));
            prop_assert!(server.should.is_empty() && server.min_should.is_none());
        }
    }
}
