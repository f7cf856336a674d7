//! Personal data in the reply that neither the customer wrote here nor a cited passage for customers holds: it may be someone
//! else's.
//!
//! What the company has published is no secret, and what the customer wrote is the customer's. What an agent or a bot wrote is
//! neither: it may be about another person, or come from a system that only agents read.

use std::collections::HashSet;

use super::{Finding, PolicyInput};
use crate::conversation::{Audience, Role};
use crate::decision::Evidence;
use crate::personal_data::{Kind, find};

/// Holds a draft with an identifier of unknown origin.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let Some(draft) = input.draft else { return Finding::pass() };
    let in_draft = find(&draft.text);
    if in_draft.is_empty() {
        return Finding::pass();
    }
    let cited: HashSet<&str> = draft.citations.iter().map(|citation| citation.passage_id.as_str()).collect();
    let passages = input
        .retrieved
        .iter()
        .filter(|hit| hit.passage.audience == Audience::Public && cited.contains(hit.passage.id.as_str()));
    let known: Vec<&str> = input
        .conversation
        .messages
        .iter()
        .filter(|message| message.role == Role::Customer)
        .map(|message| message.text.as_str())
        .chain(passages.map(|hit| hit.passage.text.as_str()))
        .collect();
    // The words around a number tell what it is in the draft; where it comes from, it may stand without them. An e-mail address
    // needs none, and each of its parts is somebody else's.
    let written: HashSet<String> =
        known.iter().flat_map(|text| find(text)).map(|found| found.normal).collect();
    let known: Vec<Compact> = known.into_iter().map(Compact::of).collect();
    let mut foreign: Vec<(&str, &str)> = in_draft
        .iter()
        .filter(|found| !written.contains(&found.normal))
        .filter(|found| found.kind == Kind::Email || !known.iter().any(|text| text.holds(&found.normal)))
        .map(|found| (found.kind.name(), found.kind.label()))
        .collect();
    foreign.sort_unstable();
    foreign.dedup();
    if foreign.is_empty() {
        Finding::pass()
    } else {
        let (names, labels): (Vec<_>, Vec<_>) = foreign.into_iter().unzip();
        Finding::draft(format!("The draft holds {} that no source gives.", names.join(" and ")))
            .with(labels.into_iter().map(|label| Evidence::measured("personal_data", label)))
    }
}

/// Letters and digits alone, in lower case.
struct Compact {
    text: String,
    /// Places of it where a word or a number goes on from the one before: neither begins nor ends there.
    inside: HashSet<usize>,
}

impl Compact {
    fn of(text: &str) -> Self {
        let mut compact = Self { text: String::with_capacity(text.len()), inside: HashSet::new() };
        let mut before = ' ';
        for c in text.chars() {
            if c.is_alphanumeric() {
                if before.is_alphanumeric() && before.is_numeric() == c.is_numeric() {
                    compact.inside.insert(compact.text.len());
                }
                compact.text.extend(c.to_lowercase());
            }
            before = c;
        }
        compact
    }

    /// Whether a value stands there, and not within a longer one.
    fn holds(&self, value: &str) -> bool {
        let value = Self::of(value).text;
        self.text
            .match_indices(&value)
            .any(|(at, _)| !self.inside.contains(&at) && !self.inside.contains(&(at + value.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft, hit};
    use super::*;
    use crate::conversation::Message;
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
    fn a_part_of_what_is_known_is_something_else() {
        for (said, text, verdict) in [
            ("I am joana@mail.example.com", "We wrote to ana@mail.example.com.", Verdict::Draft),
            ("I am ana@mail.example.community", "We wrote to ana@mail.example.com.", Verdict::Draft),
            ("I am ana@mail.example.com.br", "We wrote to ana@mail.example.com.", Verdict::Draft),
            ("I am maria.ana@mail.example.com", "We wrote to ana@mail.example.com.", Verdict::Draft),
            ("I am ana@mail.example.com.", "We wrote to Ana@mail.example.com.", Verdict::Pass),
            ("Moro na Rua Nova, 123", "Enviamos para a Rua Nova, 12.", Verdict::Draft),
            ("Moro na Rua Nova, 123", "Enviamos para a Rua Nova 123.", Verdict::Pass),
            ("the parcel 152998224725", "CPF 529.982.247-25", Verdict::Draft),
            ("é 529 982 24725", "CPF 529.982.247-25", Verdict::Pass),
            ("nº529.982.247-25", "CPF 529.982.247-25", Verdict::Pass),
            ("call +351210000111", "Ligue para 210 000 111.", Verdict::Pass),
        ] {
            let mut case = Case::asking(said);
            case.draft = Some(draft(text));
            assert_eq!(check(&case.input()).verdict, verdict, "{said}: {text}");
        }
    }

    /// By who wrote the address, and where.
    #[test]
    fn only_the_customer_and_what_is_published_give_an_address() {
        let address = "lu@mail.example.com";
        for (role, verdict) in [
            (Role::Customer, Verdict::Pass),
            (Role::Agent, Verdict::Draft),
            (Role::Bot, Verdict::Draft),
            (Role::System, Verdict::Draft),
        ] {
            let mut case = Case::asking("where do you write to?");
            let message =
                Message { id: "m0".into(), role, text: format!("The other one: {address}"), at: None };
            case.conversation.messages.insert(0, message);
            case.draft = Some(draft("We write to lu@mail.example.com."));
            assert_eq!(check(&case.input()).verdict, verdict, "{role:?}");
        }
        for (audience, verdict) in [(Audience::Public, Verdict::Pass), (Audience::Agents, Verdict::Draft)] {
            let mut case = Case::asking("where do you write to?");
            case.retrieved = vec![hit("p1", &format!("Write to {address}."), 0.9, 0.5)];
            case.retrieved[0].passage.audience = audience;
            case.draft = Some(draft("Write to lu@mail.example.com."));
            assert_eq!(check(&case.input()).verdict, verdict, "{audience:?}");
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
