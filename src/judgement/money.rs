//! Amounts of money in a text.

use super::numbers::quantities;
use crate::conversation::Language;

/// An amount of money.
#[derive(Debug, Clone, PartialEq)]
pub struct Amount {
    /// How much; where `1.000` may be a thousand or one, it is a thousand.
    pub value: f64,
    /// ISO 4217 code.
    pub currency: &'static str,
    /// As it stands in the text.
    pub shown: String,
}

/// The amounts of money that a text names, in figures or in words. `None` reads number words of every language.
pub fn amounts(text: &str, language: Option<Language>) -> Vec<Amount> {
    let (found, _) = quantities(text, language);
    found
        .into_iter()
        .filter_map(|(shown, quantity)| {
            quantity.money().map(|(value, currency)| Amount { value, currency, shown })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_a_currency() {
        for (text, language, expected) in [
            ("Paguei R$ 1.234,50 ontem", Language::Pt, vec![(1234.5, "BRL")]),
            ("ho speso 600 euro per 2 tazze", Language::It, vec![(600.0, "EUR")]),
            ("it was $1,000 or 250 pounds", Language::En, vec![(1000.0, "USD"), (250.0, "GBP")]),
            ("me cobraron 1.500 €", Language::Es, vec![(1500.0, "EUR")]),
            ("paguei seiscentos euros", Language::Pt, vec![(600.0, "EUR")]),
            ("custou dois mil euros", Language::Pt, vec![(2000.0, "EUR")]),
            ("foram mil e duzentos euros", Language::Pt, vec![(1200.0, "EUR")]),
            ("foram 2 mil euros", Language::Pt, vec![(2000.0, "EUR")]),
            ("R$ 5 mil e R$ 2 mil e quinhentos", Language::Pt, vec![(5000.0, "BRL"), (2500.0, "BRL")]),
            (
                "1,5 milhão de reais ou dois milhões de euros",
                Language::Pt,
                vec![(1.5e6, "BRL"), (2e6, "EUR")],
            ),
            (
                "3 mila euro, ottocento euro, duemila euro",
                Language::It,
                vec![(3000.0, "EUR"), (800.0, "EUR"), (2000.0, "EUR")],
            ),
            ("2 millones de euros o novecientos euros", Language::Es, vec![(2e6, "EUR"), (900.0, "EUR")]),
            (
                "1.5k € or €2k or 3k dollars",
                Language::En,
                vec![(1500.0, "EUR"), (2000.0, "EUR"), (3000.0, "USD")],
            ),
            ("two hundred euros, a thousand pounds", Language::En, vec![(200.0, "EUR"), (1000.0, "GBP")]),
            ("it was 3 to 5 thousand euros", Language::En, vec![(3000.0, "EUR"), (5000.0, "EUR")]),
            ("1 500 €, R$ 12 345,60", Language::Pt, vec![(1500.0, "EUR"), (12345.6, "BRL")]),
            ("2 500 ml por 3 €, telefone 800 555 0199", Language::Pt, vec![(3.0, "EUR")]),
            ("o pedido 12345 tem 3 itens", Language::Pt, vec![]),
        ] {
            let found = amounts(text, Some(language));
            let found: Vec<_> = found.iter().map(|amount| (amount.value, amount.currency)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
