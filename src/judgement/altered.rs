//! Whether an edit changes what a reply claims. A few letters do: 3 days become 30, "you can" becomes "you cannot".

use std::collections::BTreeSet;

use super::claims::{Claim, claims};
use super::groundedness::{negated, negations};
use super::numbers::unnumbered;
use super::opposites::contradicted;
use crate::conversation::Language;
use crate::text::{Keys, fold, sentences, words};

/// Whether the text that was sent claims something else than the draft, which is in `language`: another number, amount,
/// time, date, link, address, phone number or code, more or fewer of them, or in another order; a negation that came, went
/// or moved; an opposite. Names do not count: whoever greets the customer adds one.
pub fn altered(draft: &str, sent: &str, language: Language) -> bool {
    let keys = Keys::of(language.code());
    let [said, says] = [draft, sent].map(|text| Said::of(text, language, &keys));
    let same_claims = said.claims.len() == says.claims.len()
        && said.claims.iter().zip(&says.claims).all(|(one, other)| one.equals(other));
    let turned = said
        .denied
        .symmetric_difference(&says.denied)
        .any(|key| said.keys.contains(key) && says.keys.contains(key));
    !same_claims
        || turned
        || said.negations != says.negations
        || said.times != says.times
        || !contradicted(sent, draft, language).is_empty()
        || !contradicted(draft, sent, language).is_empty()
}

/// What a text says that an edit may change.
struct Said {
    claims: Vec<Claim>,
    keys: BTreeSet<String>,
    /// Keys that a negation governs.
    denied: BTreeSet<String>,
    negations: usize,
    /// Weekdays, months and units without a number.
    times: Vec<String>,
}

impl Said {
    fn of(text: &str, language: Language, keys: &Keys) -> Self {
        let negative = negations(Some(language));
        let mut said = Self {
            claims: Vec::new(),
            keys: keys.all(text).into_iter().collect(),
            denied: BTreeSet::new(),
            negations: words(text).filter(|word| negative.contains(&fold(word).as_str())).count(),
            times: unnumbered(text, language),
        };
        for span in sentences(text) {
            let sentence = &text[span];
            said.claims.extend(claims(sentence, language).into_iter().filter(|claim| !claim.is_name()));
            said.denied.extend(negated(sentence, Some(language), keys));
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_letters_change_what_a_reply_claims() {
        use Language::{En, Es, It, Pt};
        for (draft, sent, language) in [
            ("A entrega leva 3 dias.", "A entrega leva 30 dias.", Pt),
            ("A entrega leva três dias.", "A entrega leva treze dias.", Pt),
            ("Pode devolver o produto usado.", "Não pode devolver o produto usado.", Pt),
            ("Non accettiamo resi, ma cambi sì.", "Accettiamo resi, ma non cambi.", It),
            ("La tienda está abierta en agosto.", "La tienda está cerrada en agosto.", Es),
            ("You can wash it.", "You can't wash it.", En),
            ("It costs £ 20.", "It costs £ 20, or £ 15 in the sale.", En),
            ("It costs £ 1,000.", "It costs £ 1.", En),
            ("Entrega em 3 dias e troca em 5 dias.", "Entrega em 5 dias e troca em 3 dias.", Pt),
            ("Chega em 12/03/2026.", "Chega em 13/03/2026.", Pt),
            ("Aberto até 18h.", "Aberto até 19h.", Pt),
            ("Vale 10% de desconto.", "Vale 10 de desconto.", Pt),
            ("Veja https://loja.example/troca.", "Veja https://loja.example/trocas.", Pt),
            ("Escreva a oi@loja.example.", "Escreva a io@loja.example.", Pt),
            ("Ligue para +351 21 123 4567.", "Ligue para +351 21 123 4568.", Pt),
            ("Use the code SAVE20.", "Use the code SAVE25.", En),
            ("Chega na segunda-feira.", "Chega na sexta-feira.", Pt),
            ("Chega em março.", "Chega em maio.", Pt),
            ("A garantia é de um mês.", "A garantia é de um ano.", Pt),
            ("It arrives on Monday.", "It arrives on Friday.", En),
            ("Arriva a marzo, di lunedì.", "Arriva di lunedì.", It),
        ] {
            assert!(altered(draft, sent, language), "{draft}: {sent}");
        }
    }

    #[test]
    fn what_says_the_same_in_other_letters_does_not() {
        use Language::{En, Es, It, Pt};
        for (draft, sent, language) in [
            ("A entrega leva 3 dias úties.", "A entrega leva 3 dias úteis.", Pt),
            ("A entrega leva 3 dias.", "Olá, Ana! A entrega leva 3 dias.", Pt),
            ("A entrega leva cinco dias.", "A entrega leva 5 dias.", Pt),
            ("Custa R$ 1.000,00.", "Custa R$ 1000.", Pt),
            ("Aperto fino alle 13h.", "Aperto fino alle 13:00.", It),
            ("No aceptamos devoluciones usadas.", "No acepatmos devoluciones usadas.", Es),
            ("We do not wash it. Call +44 20 1234 5678.", "We do not wash it. Call 020 1234 5678.", En),
            ("See https://shop.example/help.", "See shop.example/help for it.", En),
            ("Custa 5 €, em três meses.", "Custa 5 euros, em 3 meses.", Pt),
            ("Chega a 3 de março de 2026.", "Chega a 03/03/2026.", Pt),
            ("Ora può usarlo.", "Può usarlo.", It),
            ("Llega el lunes.", "Hola, Julio: llega el lunes.", Es),
            ("It weighs 2.5 kg.", "It weighs 2.5 kg. Anything else?", En),
        ] {
            assert!(!altered(draft, sent, language), "{draft}: {sent}");
        }
    }
}
