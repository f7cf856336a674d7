//! Outcomes by language: languages are reported apart, never averaged away.

use std::collections::BTreeMap;

use crate::conversation::Language;

/// Outcomes of all languages and of each.
#[derive(Debug)]
pub struct ByLanguage<'a, T> {
    all: &'a [T],
    /// By ISO 639-1 code.
    groups: BTreeMap<String, Vec<T>>,
}

impl<'a, T: Clone> ByLanguage<'a, T> {
    /// Groups outcomes, in their order.
    pub fn of(all: &'a [T], language: impl Fn(&T) -> Language) -> Self {
        let mut groups: BTreeMap<String, Vec<T>> = BTreeMap::new();
        for outcome in all {
            groups.entry(language(outcome).code().to_owned()).or_default().push(outcome.clone());
        }
        Self { all, groups }
    }

    /// Rows of a table: one a language, then one of all.
    pub fn rows(&self, row: impl Fn(&str, &[T]) -> Vec<String>) -> Vec<Vec<String>> {
        let groups = self.groups.iter().map(|(code, rows)| row(code, rows));
        groups.chain(std::iter::once(row("all", self.all))).collect()
    }
}
