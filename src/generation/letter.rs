//! A reply by e-mail is a letter: a greeting, the text, a closing line and the company's signature.

use std::sync::LazyLock;

use regex::Regex;

use super::plain::pattern;
use crate::conversation::Language;

/// A reply that greets by itself.
static GREETS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\W*(?:hi|hello|dear|good (?:morning|afternoon|evening)|ol[áa]|oi|prezad[oa]|car[oa]|bom dia|boa (?:tarde|noite)|ciao|gentile|salve|buongiorno|buonasera|hola|estimad[oa]|buen(?:os|as) (?:d[íi]as|tardes|noches))\b",
    )
});

/// The text as a letter to a person of this name.
pub fn letter(text: &str, language: Language, name: Option<&str>, signature: &str) -> String {
    let (greeting, closing) = match language {
        Language::Pt => ("Olá", "Atenciosamente,"),
        Language::It => ("Buongiorno", "Cordiali saluti"),
        Language::Es => ("Hola", "Un saludo,"),
        Language::En => ("Hello", "Best regards,"),
    };
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    let greeting = match (GREETS.is_match(text), name) {
        (true, _) => String::new(),
        (false, Some(name)) => format!("{greeting}, {name},\n\n"),
        (false, None) => format!("{greeting},\n\n"),
    };
    let closing = match signature.trim() {
        "" => String::new(),
        signature => format!("\n\n{closing}\n{signature}"),
    };
    format!("{greeting}{}{closing}", text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_greets_once_and_is_signed() {
        assert_eq!(
            letter("A entrega leva 5 dias.", Language::Pt, Some("Ana"), "Loja Casa Mar"),
            "Olá, Ana,\n\nA entrega leva 5 dias.\n\nAtenciosamente,\nLoja Casa Mar"
        );
        assert_eq!(letter("It takes 4 days.", Language::En, None, ""), "Hello,\n\nIt takes 4 days.");
        for (language, text) in [
            (Language::En, "Dear Ana, it takes 4 days."),
            (Language::It, "Ciao! Sono 3 giorni."),
            (Language::Es, "Buenos días, son 3 días."),
            (Language::Pt, "Boa tarde! São 5 dias."),
        ] {
            assert_eq!(letter(text, language, Some("Ana"), ""), text);
        }
    }
}
