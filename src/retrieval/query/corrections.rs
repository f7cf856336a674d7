//! What a customer took back: *to Rome, no wait, to Milan* asks about Milan.

use crate::text::{fold_compatible, runs};

/// Words before a correction among which its first word is looked for.
const REACH: usize = 8;
/// A correction of so many words that begins like a question is the whole question anew.
const WHOLE: usize = 3;

/// Words that correct what stands before them. None of them means anything else in the middle of a question: *quer dizer*
/// and *no espera*, say, often do.
const PHRASES: &str = "no wait,wait no,no sorry,sorry no,no i mean,i mean,no i meant,i meant,or rather,actually no,\
    no actually,scratch that,no make that,no excuse me,\
    nao desculpa,nao desculpe,desculpa quer dizer,ou melhor,\
    no scusa,no scusi,volevo dire,no anzi,\
    no perdon,no disculpa,quiero decir,queria decir,mejor dicho";

/// First words of questions.
const QUESTION_WORDS: &str = "what who whom whose which when where why how does did do is are was were can could \
    que qual quais quanto quanta quantos quantas quando onde como quem \
    quale quali quanti quante dove perche chi \
    cual cuales cuanto cuanta cuantos cuantas cuando donde quien";

/// The text with every correction made. One that begins like a question replaces all before it; one that repeats a word
/// of what stands before it replaces from that word on; any other only loses the words that announce it.
pub(super) fn corrected(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(shorter) = correct_once(&text) {
        text = shorter;
    }
    text
}

fn correct_once(text: &str) -> Option<String> {
    let words: Vec<(usize, usize, String)> = runs(text)
        .map(|word| {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            (start, start + word.len(), fold_compatible(word))
        })
        .collect();
    let (at, length) = (1..words.len()).find_map(|at| {
        PHRASES
            .split(',')
            .map(|phrase| phrase.split_whitespace().collect::<Vec<_>>())
            .filter(|phrase| {
                words.len() > at + phrase.len()
                    && words[at..].iter().zip(phrase).all(|(word, wanted)| word.2 == *wanted)
            })
            .map(|phrase| (at, phrase.len()))
            .max()
    })?;
    let repair = &words[at + length..];
    let after = text[words[at + length - 1].1..].trim_start_matches(|c: char| !c.is_alphanumeric());
    let first = repair.first()?.2.as_str();
    if repair.len() >= WHOLE && QUESTION_WORDS.split_whitespace().any(|word| word == first) {
        return Some(after.to_owned());
    }
    let again = (at.saturating_sub(REACH)..at).rev().find(|place| words[*place].2 == first);
    let kept = match again {
        Some(place) => &text[..words[place].0],
        None => &text[..words[at - 1].1],
    };
    Some(format!("{} {after}", kept.trim_end()).trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::corrected;

    #[test]
    fn a_question_anew_replaces_all_before_it() {
        assert_eq!(
            corrected("Where is my order, no wait, when does the shop open?"),
            "when does the shop open?"
        );
        assert_eq!(corrected("qual o prazo, não, desculpa, quanto custa o frete?"), "quanto custa o frete?");
    }

    #[test]
    fn a_correction_that_repeats_a_word_replaces_from_there() {
        assert_eq!(
            corrected("do you deliver to Rome no sorry to Milan on Sundays?"),
            "do you deliver to Milan on Sundays?"
        );
        assert_eq!(
            corrected("quanto costa la spedizione, volevo dire la riparazione?"),
            "quanto costa la riparazione?"
        );
    }

    #[test]
    fn any_other_correction_loses_its_announcement_alone() {
        assert_eq!(corrected("a lamp or rather two lamps for the desk"), "a lamp two lamps for the desk");
        assert_eq!(corrected("un plazo, mejor dicho, fecha de entrega"), "un plazo fecha de entrega");
    }

    #[test]
    fn what_corrects_nothing_is_left_alone() {
        for text in ["", "no wait", "no wait is too long for me", "does it deliver, or", "¿no espera nadie?"]
        {
            assert_eq!(corrected(text), text);
        }
    }
}
