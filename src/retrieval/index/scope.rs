//! Which passages an index call may touch. Every query, count and deletion of either implementation takes a
//! [`Scope`], and the only way to get one is [`tenant_filter`].

use qdrant_client::qdrant as server;

use crate::conversation::{Audience, Labels, Language, WorkspaceId};
use crate::retrieval::index::{IndexError, Selection};

/// Payload field of the tenant.
pub(super) const WORKSPACE: &str = "workspace";
/// Payload field of the language.
pub(super) const LANGUAGE: &str = "language";
/// Payload field of the audience.
pub(super) const AUDIENCE: &str = "audience";
/// Payload field of the labels.
pub(super) const LABELS: &str = "labels";
/// Payload field of the labels' keys.
pub(super) const LABEL_KEYS: &str = "label_keys";
/// Payload field of the change set that staged the passage.
pub(super) const STAGED: &str = "staged";
/// Payload field of the mark that retired the passage.
pub(super) const RETIRED: &str = "retired";
/// Payload fields that are searched by, and whether the field is the tenant's.
pub(super) const INDEXED: [(&str, bool); 7] = [
    (WORKSPACE, true),
    (LANGUAGE, false),
    (AUDIENCE, false),
    (LABELS, false),
    (LABEL_KEYS, false),
    (STAGED, false),
    (RETIRED, false),
];

/// The passages of one tenant, narrowed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    workspace: String,
    language: Option<Language>,
    ids: Option<Vec<String>>,
    selection: Selection,
}

/// The tenant filter: the one place where it is made.
pub(super) fn tenant_filter(workspace: &WorkspaceId) -> Scope {
    Scope { workspace: workspace.0.clone(), language: None, ids: None, selection: Selection::default() }
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

    /// Only what this selection lets through: one generation, one audience, some labels.
    #[must_use]
    pub(super) fn selecting(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// Marks that hide a passage, by the field that holds them.
    fn hidden(&self) -> impl Iterator<Item = (&'static str, &Vec<String>)> {
        let snapshot = &self.selection.snapshot;
        [(STAGED, &snapshot.staged), (RETIRED, &snapshot.retired)]
            .into_iter()
            .filter(|(_, marks)| !marks.is_empty())
    }

    /// Labels by key, as texts.
    fn labels(&self) -> Vec<(String, Vec<String>)> {
        let owned = |labels: Vec<&str>| labels.into_iter().map(ToOwned::to_owned).collect();
        self.selection.labels.by_key().into_iter().map(|(key, of)| (key.to_owned(), owned(of))).collect()
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
        for (key, labels) in self.labels() {
            must.push(serde_json::json!({ "should": [
                { "key": LABELS, "match": { "any": labels } },
                { "must_not": [{ "key": LABEL_KEYS, "match": { "value": key } }] },
            ]}));
        }
        let mut must_not: Vec<serde_json::Value> = self
            .hidden()
            .map(|(field, marks)| serde_json::json!({ "key": field, "match": { "any": marks } }))
            .collect();
        if self.selection.public_only {
            must_not.push(serde_json::json!({ "key": AUDIENCE, "match": { "value": Audience::Agents } }));
        }
        let mut filter = serde_json::json!({ "must": must });
        if !must_not.is_empty() {
            filter["must_not"] = must_not.into();
        }
        serde_json::from_value(filter)
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
        for (key, labels) in self.labels() {
            let without = server::Filter::must_not([server::Condition::matches(LABEL_KEYS, key)]);
            must.push(
                server::Filter::should([server::Condition::matches(LABELS, labels), without.into()]).into(),
            );
        }
        let mut must_not: Vec<server::Condition> =
            self.hidden().map(|(field, marks)| server::Condition::matches(field, marks.clone())).collect();
        if self.selection.public_only {
            must_not.push(server::Condition::matches(AUDIENCE, Audience::Agents.as_str().to_owned()));
        }
        server::Filter { must, must_not, ..server::Filter::default() }
    }
}

/// The keys of labels, as the index holds them.
pub(super) fn label_keys(labels: &Labels) -> Vec<String> {
    labels.keys().into_iter().map(ToOwned::to_owned).collect()
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
