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
            ("o pedido 12345 tem 3 itens", Language::Pt, vec![]),
        ] {
            let found = amounts(text, Some(language));
            let found: Vec<_> = found.iter().map(|amount| (amount.value, amount.currency)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
