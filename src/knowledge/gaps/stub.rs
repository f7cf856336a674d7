//! The beginning of an article that would answer a gap's questions.

use std::fmt::Write as _;

use crate::conversation::Language;

/// Longest title in characters.
const TITLE_CHARS: usize = 90;

/// A title from a question: its last sentence that asks, or its first words.
pub(super) fn title(question: &str) -> String {
    let asks = question.split_inclusive(['?', '!', '.']).map(str::trim).rfind(|part| part.ends_with('?'));
    let words = asks.unwrap_or(question);
    if words.chars().count() <= TITLE_CHARS {
        return words.to_owned();
    }
    let cut: String = words.chars().take(TITLE_CHARS).collect();
    let end = cut.rfind(' ').unwrap_or(cut.len());
    format!("{}…", &cut[..end])
}

/// Markdown with what is known: the questions, and what agents answered.
pub(super) fn article(
    title: &str,
    language: Option<Language>,
    questions: &[String],
    answers: &[String],
) -> String {
    let (asked, said, write) = match language {
        Some(Language::Pt) => (
            "Perguntas que este artigo responde",
            "O que os atendentes responderam",
            "Escreva aqui a resposta.",
        ),
        Some(Language::It) => (
            "Domande a cui questo articolo risponde",
            "Che cosa hanno risposto gli operatori",
            "Scrivi qui la risposta.",
        ),
        Some(Language::Es) => (
            "Preguntas que este artículo responde",
            "Lo que respondieron los agentes",
            "Escribe aquí la respuesta.",
        ),
        Some(Language::En) | None => {
            ("Questions this article answers", "What agents answered", "Write the answer here.")
        }
    };
    let mut text = String::from("---\n");
    let quoted = title.replace('\\', "\\\\").replace('"', "\\\"");
    // Writing to a text does not fail.
    let _ = writeln!(text, "title: \"{quoted}\"");
    if let Some(language) = language {
        let _ = writeln!(text, "language: {}", language.code());
    }
    let _ = write!(text, "---\n\n# {title}\n\n{write}\n\n## {asked}\n\n");
    for question in questions {
        let _ = writeln!(text, "- {question}");
    }
    if !answers.is_empty() {
        let _ = write!(text, "\n## {said}\n");
        for answer in answers {
            let _ = write!(text, "\n> {}\n", answer.trim().replace('\n', "\n> "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_question_itself() {
        assert_eq!(title("Olá! Vocês vendem vale-presente? Obrigada."), "Vocês vendem vale-presente?");
        assert_eq!(title("gift cards"), "gift cards");
        let long = title(&"palavra ".repeat(40));
        assert!(long.ends_with("palavra…") && long.chars().count() <= TITLE_CHARS + 1, "{long}");
    }

    #[test]
    fn a_stub_holds_what_is_known_in_the_customers_language() {
        let stub = article(
            "Do you \"sell\" gift cards?",
            Some(Language::En),
            &["Do you sell gift cards?".into(), "any vouchers".into()],
            &["Yes, from 10 euros.\nAsk in the shop.".into()],
        );
        insta::assert_snapshot!(stub, @r#"
        ---
        title: "Do you \"sell\" gift cards?"
        language: en
        ---

        # Do you "sell" gift cards?

        Write the answer here.

        ## Questions this article answers

        - Do you sell gift cards?
        - any vouchers

        ## What agents answered

        > Yes, from 10 euros.
        > Ask in the shop.
        "#);
        assert!(article("t", Some(Language::Pt), &[], &[]).contains("Escreva aqui"));
    }
}
