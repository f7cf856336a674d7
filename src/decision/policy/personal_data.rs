//! Personal data in the reply that neither this conversation nor a cited passage holds: it would be someone else's.

use std::collections::HashSet;

use super::{Finding, PolicyInput};
use crate::conversation::Role;
use crate::decision::Evidence;
use crate::personal_data::find;

/// Holds a draft with an identifier of unknown origin.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let Some(draft) = input.draft else { return Finding::pass() };
    let in_draft = find(&draft.text);
    if in_draft.is_empty() {
        return Finding::pass();
    }
    let cited: HashSet<&str> = draft.citations.iter().map(|citation| citation.passage_id.as_str()).collect();
    let passages = input.retrieved.iter().filter(|hit| cited.contains(hit.passage.id.as_str()));
    // The words around a number tell what it is in the draft; where it comes from, it may stand without them.
    let known: Vec<String> = input
        .conversation
        .messages
        .iter()
        // A note of the hub is not shown to the customer.
        .filter(|message| message.role != Role::System)
        .map(|message| message.text.as_str())
        .chain(passages.map(|hit| hit.passage.text.as_str()))
        .map(compact)
        .collect();
    let mut foreign: Vec<(&str, &str)> = in_draft
        .iter()
        .filter(|found| !known.iter().any(|text| text.contains(&compact(&found.normal))))
        .map(|found| (found.kind.name(), found.kind.label()))
        .collect();
    foreign.sort_unstable();
    foreign.dedup();
    if foreign.is_empty() {
        Finding::pass()
    } else {
        let (names, labels): (Vec<_>, Vec<_>) = foreign.into_iter().unzip();
        Finding::draft(format!("The draft holds {} that no source gives.", names.join(" and ")))
            .with(labels.into_iter().map(|label| Evidence::signal("personal_data", label, None)))
    }
}

/// Letters and digits alone, in lower case.
fn compact(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft, hit};
    use super::check;
    use crate::decision::Verdict;

    #[test]
    fn only_the_customers_own_and_cited_data_pass() {
        let mut case = Case::asking("my mail is lu@mail.example.com");
        case.retrieved = vec![hit(
            "p1",
            "Write to help@shop.example.com, call +351 210 000 111, or come to Rua Nova, 12.",
            0.9,
            0.5,
        )];
        for (text, verdict) in [
            ("We wrote to lu@mail.example.com.", Verdict::Pass),
            ("Write to HELP@shop.example.com.", Verdict::Pass),
            ("Ligue para +351 210000111.", Verdict::Pass),
            ("Ligue para 210 000 111.", Verdict::Pass),
            ("Venha à Rua Nova 12.", Verdict::Pass),
            ("Scriva a mario@altro.example.com.", Verdict::Draft),
            ("Su IBAN es ES91 2100 0418 4502 0005 1332.", Verdict::Draft),
            ("O CPF 529.982.247-25 está certo.", Verdict::Draft),
            ("We send it to 14 Acacia Avenue.", Verdict::Draft),
            ("You were born on 12/03/1985.", Verdict::Draft),
            ("It takes 30 days.", Verdict::Pass),
        ] {
            case.draft = Some(draft(text));
            let finding = check(&case.input());
            assert_eq!(finding.verdict, verdict, "{text}");
            assert!(!finding.detail.unwrap_or_default().contains('@'));
        }
    }

    #[test]
    fn a_passage_that_is_not_cited_gives_nothing() {
        let mut case = Case::asking("whom do I write to?");
        case.retrieved = vec![hit("p2", "Internal: write to boss@shop.example.com.", 0.9, 0.5)];
        case.draft = Some(draft("Write to boss@shop.example.com."));
        assert_eq!(check(&case.input()).verdict, Verdict::Draft);
    }
}
