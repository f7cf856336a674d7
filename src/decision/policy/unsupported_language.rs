//! The customer writes in a language Ponto does not answer in.

use super::{Finding, PolicyInput, last_message};

/// Escalates when the detector is sure of another language.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    // Without words there is no language; another check says so.
    if input.language.is_some() || input.question.is_empty() {
        Finding::pass()
    } else {
        Finding::escalate("The message is in a language that is not answered automatically.")
            .with(last_message(input))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Case;
    use super::check;
    use crate::conversation::language::{Hint, detect};
    use crate::decision::Verdict;

    #[test]
    fn follows_the_detection() {
        for (text, verdict) in [
            ("Wann kommt meine Bestellung an?", Verdict::Escalate),
            ("quand est-ce que ma commande arrive ?", Verdict::Escalate),
            ("Quando chega o meu pedido?", Verdict::Pass),
            ("quando arriva il mio ordine?", Verdict::Pass),
            ("¿cuándo llega mi pedido?", Verdict::Pass),
            ("when does my order arrive?", Verdict::Pass),
        ] {
            let mut case = Case::asking(text);
            case.language = detect(text, Hint::default()).language;
            assert_eq!(check(&case.input()).verdict, verdict, "{text}");
        }
    }
}
