//! How many questions a message asks.
//!
//! Customers leave question marks out, so a sentence also counts when it begins as a question does. Courtesy ("how are
//! you?", "can you help me?") and a question that only repeats the one before ("how much? how much is it?") do not count.

use std::sync::LazyLock;

use regex::Regex;

use super::phrases::normalise;
use crate::text::sentences;

/// Words that a question begins with.
static BEGINS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(?:(?:and|e|y|also|tambem|tambien|anche|ah|oi|ola|hola|ciao|hi|hello|hey|ou|or|o|mas|ma|pero|but|please|por favor|per favore|another thing|outra coisa|otra cosa|un altra cosa|qual coisa) )*(?:how|what|where|when|which|who|why|is|are|do|does|did|can|could|will|would|should|has|have|como|quando|quanto|quanta|quantos|quantas|qual|quais|onde|aonde|quem|por que|porque|pq|posso|podem|pode|tem como|da pra|sera que|voces|vcs|quale|quali|quanti|quante|dove|chi|perche|come|posso|potete|puo|si puo|avete|cual|cuales|cuando|cuanto|cuanta|cuantos|cuantas|donde|quien|puedo|puede|pueden|podeis|se puede|teneis|tienen|hay)\b",
    )
    .expect("the pattern compiles")
});

/// Courtesy in the form of a question.
static COURTESY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?:^|\b)(?:how are you(?: doing)?(?: today)?|how s it going|you ok|(?:can|could) (?:you|u|someone|anyone|somebody) (?:please )?help(?: me| us)?(?: out| with something)?|is (?:anyone|anybody|someone) there|are you there|tudo bem|tudo bom|como (?:vai|esta|vao)(?: voces)?|(?:podem?|poderiam?|vc pode|voce pode|voces podem)(?: me)? (?:ajudar|tirar uma duvida)(?: me)?|tem alguem ai|come (?:va|stai|state|sta)|tutto bene|(?:mi )?(?:potete|puoi|puo|potreste) aiutar(?:e|mi)|c e qualcuno|que tal|como (?:estas|estan|esta|va)|(?:me )?(?:pueden?|podeis|podrian?|puedes) ayudar(?:me)?|hay alguien(?: ahi)?)(?: por favor| per favore| please)?$",
    )
    .expect("the pattern compiles")
});

/// Questions of a text, 0 for a statement.
pub(super) fn count(text: &str) -> usize {
    let mut asked: Vec<String> = Vec::new();
    for span in sentences(text) {
        let sentence = &text[span];
        let normal = normalise(sentence);
        let marked = sentence.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '?').ends_with('?');
        let question = marked || BEGINS.is_match(&normal);
        let alone = normal.split(' ').count() < 2;
        if question
            && !alone
            && !COURTESY.is_match(&normal)
            && !asked.iter().any(|other| repeats(other, &normal))
        {
            asked.push(normal);
        }
    }
    asked.len()
}

/// Whether most words of the shorter question stand in the other one.
fn repeats(a: &str, b: &str) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split(' ').collect(), b.split(' ').collect());
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let shared = short.iter().filter(|word| long.contains(word)).count();
    3 * shared >= 2 * short.len()
}

/// Compiles the patterns.
pub(super) fn warm_up() {
    LazyLock::force(&BEGINS);
    LazyLock::force(&COURTESY);
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_questions_and_not_courtesy() {
        for (text, questions) in [
            ("How long does delivery take? And can I pay by card?", 2),
            ("hi, how are you? do you ship to Malta?", 1),
            ("quanto custa o frete\nposso trocar depois", 2),
            ("Olá, tudo bem? Vocês entregam no sábado?", 1),
            ("Quanto costa la spedizione? E il reso come funziona?", 2),
            ("¿Hacen envíos a Canarias? ¿Cuánto tarda el reembolso?", 2),
            ("how much? how much is it to Porto?", 1),
            ("My cup arrived broken.", 0),
            ("Thanks a lot!", 0),
            ("ok?", 0),
        ] {
            assert_eq!(count(text), questions, "{text}");
        }
    }
}
