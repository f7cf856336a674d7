//! Personal data in the reply that neither this conversation nor a cited passage holds: it would be someone else's.

use std::collections::HashSet;

use super::identifiers::{self, Kind};
use super::{Finding, PolicyInput};

/// Holds a draft with an identifier of unknown origin.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let Some(draft) = input.draft else { return Finding::pass() };
    let in_draft = identifiers::find(&draft.text);
    if in_draft.is_empty() {
        return Finding::pass();
    }
    let cited: HashSet<&str> = draft.citations.iter().map(|citation| citation.passage_id.as_str()).collect();
    let known: HashSet<(Kind, String)> = input
        .conversation
        .messages
        .iter()
        .map(|message| message.text.as_str())
        .chain(
            input
                .retrieved
                .iter()
                .filter(|hit| cited.contains(hit.passage.id.as_str()))
                .map(|hit| hit.passage.text.as_str()),
        )
        .flat_map(identifiers::find)
        .collect();
    let mut foreign: Vec<&str> =
        in_draft.iter().filter(|entry| !known.contains(*entry)).map(|(kind, _)| kind.name()).collect();
    foreign.dedup();
    if foreign.is_empty() {
        Finding::pass()
    } else {
        Finding::draft(format!("The draft holds {} that no source gives.", foreign.join(" and ")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft, hit};
    use super::check;
    use crate::decision::Verdict;

    #[test]
    fn only_the_customers_own_and_cited_data_pass() {
        let mut case = Case::asking("my mail is lu@mail.example.com");
        case.retrieved =
            vec![hit("p1", "Write to help@shop.example.com or call +351 210 000 111.", 0.9, 0.5)];
        for (text, verdict) in [
            ("We wrote to lu@mail.example.com.", Verdict::Pass),
            ("Write to HELP@shop.example.com.", Verdict::Pass),
            ("Ligue para +351 210000111.", Verdict::Pass),
            ("Scriva a mario@altro.example.com.", Verdict::Draft),
            ("Su IBAN es ES91 2100 0418 4502 0005 1332.", Verdict::Draft),
            ("O CPF 529.982.247-25 está certo.", Verdict::Draft),
            ("It takes 30 days.", Verdict::Pass),
        ] {
            case.draft = Some(draft(text));
            let finding = check(&case.input());
            assert_eq!(finding.verdict, verdict, "{text}");
            assert!(!finding.detail.unwrap_or_default().contains('@'));
        }
    }
}
