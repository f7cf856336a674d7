//! Whether a model said that the sources do not hold the answer: in the agreed word, or in its own.

use std::sync::LazyLock;

use regex::RegexSet;

use crate::text::{fold, sentences};

/// Over the folded text (lower case, no accents).
static PHRASES: LazyLock<RegexSet> = LazyLock::new(|| {
    let phrases = [
        // English
        r"\b(sources?|documents?|passages?|context|information provided|knowledge base)\b.{0,60}\b(do|does|did) ?n[o']t (contain|mention|include|specify|provide|hold|say|state|cover|have)",
        r"\b(i|we) (do not|don'?t|cannot|can'?t|could not|couldn'?t) (have|find|see|provide)\b.{0,40}\binformation",
        r"\bno (information|mention|details?) (is |was |are )?(available|provided|given|about|on|of|regarding|in)\b",
        r"\b(is|are) not (mentioned|specified|covered|stated|provided) in (the|any|our) (source|document|information|passage|context)",
        // Portuguese
        r"\b(fontes?|documentos?|trechos?|contexto|informac\w+ (fornecid|disponi)\w+)\b.{0,60}\bnao (cont|menc|inclu|inform|especif|indic|traz|fala|diz|fornec|cobr)",
        r"\bnao (tenho|temos|ha|encontrei|encontro|encontramos|disponho|dispomos|possuo|possuimos)\b.{0,40}\binformac",
        r"\bnao (e|esta|foi|sao|estao) (mencionad|especificad|informad|indicad)\w+ (na|no|nas|nos|em)\b",
        // Italian
        r"\b(fonti|fonte|documenti|documento|contesto|informazioni (fornite|disponibili))\b.{0,60}\bnon (cont|menz|inclu|specif|indic|riport|forn|dic|parl)",
        r"\bnon (ho|abbiamo|ci sono|c'e|trovo|dispongo|disponiamo|sono disponibili|possiedo)\b.{0,40}\binformazion",
        r"\bnon (e|viene|sono|vengono) (menzionat|specificat|indicat|riportat)\w+ (nel|nella|nelle|nei|in)\b",
        // Spanish
        r"\b(fuentes?|documentos?|contexto|informacion (proporcionada|disponible))\b.{0,60}\bno (cont|menc|inclu|especif|indic|dice|habla|proporc)",
        r"\bno (tengo|tenemos|hay|encuentro|encontre|encontramos|dispongo|disponemos|cuento)\b.{0,40}\binformacion",
        r"\bno se (menciona|especifica|indica|proporciona)\w* (en|informacion)\b",
    ];
    #[expect(clippy::expect_used, reason = "the patterns are constants and a test compiles them")]
    RegexSet::new(phrases).expect("constant patterns compile")
});

/// Whether the reply refuses: it holds `NO_ANSWER` in any spelling, or its first sentence says so.
pub fn is_refusal(reply: &str) -> bool {
    let folded = fold(reply);
    let letters: String = folded.chars().filter(|c| c.is_alphanumeric()).collect();
    if letters.is_empty() || letters.contains("noanswer") {
        return true;
    }
    sentences(&folded).first().is_some_and(|first| PHRASES.is_match(&folded[first.clone()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_in_any_spelling_and_plain_admissions_refuse() {
        for reply in [
            "",
            "NO_ANSWER",
            "**No answer**.",
            "no-answer",
            "\"NO_ANSWER\" [1]",
            "Reply: NO_ANSWER\nThe sources are silent.",
            "The sources do not mention gift cards.",
            "I'm sorry, I don't have any information about that.",
            "As fontes não mencionam cartões-presente.",
            "Desculpe, não tenho informações sobre isso.",
            "Le fonti non contengono la risposta.",
            "Mi dispiace, non ho informazioni su questo.",
            "Las fuentes no indican nada al respecto.",
            "Lo siento, no tengo información sobre tarjetas.",
        ] {
            assert!(is_refusal(reply), "{reply}");
        }
    }

    #[test]
    fn answers_do_not() {
        for reply in [
            "No, we do not deliver to PO boxes [1].",
            "Não, não é possível trocar.",
            "Non è possibile cambiare l'indirizzo.",
            "No se aceptan devoluciones después de 30 días.",
            "The answer is no: the cost is the same.",
        ] {
            assert!(!is_refusal(reply), "{reply}");
        }
    }
}
