//! Sentences, as byte ranges of the text.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::words::fold;

/// The sentences of a plain text, as byte ranges without surrounding space. A line break ends a sentence.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (offset, piece) in text.split_sentence_bound_indices() {
        let span = trimmed(text, offset..offset + piece.len());
        if span.is_empty() {
            continue;
        }
        match found.last_mut() {
            Some(last) if goes_on(&text[last.clone()], &text[span.clone()]) => last.end = span.end,
            _ => found.push(span),
        }
    }
    found
}

/// Whether a letter or digit stands in it.
pub(super) fn has_word(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// Whether `next` belongs to the sentence that seemed to end before it: an abbreviation ended it, or no word follows.
fn goes_on(sentence: &str, next: &str) -> bool {
    if !has_word(next) {
        return true;
    }
    let Some(last) = sentence.split_whitespace().next_back() else { return false };
    match fold(last.trim_start_matches(['(', '['])).as_str() {
        "sr." | "sra." | "dr." | "dra." | "mr." | "mrs." | "ms." | "e.g." | "i.e." | "ex." | "vs." => true,
        "n." | "no." | "nº." | "num." | "nr." | "art." | "tel." | "approx." | "aprox." | "ca." | "pag."
        | "max." | "min." => next.starts_with(|c: char| c.is_ascii_digit() || c == '+'),
        _ => false,
    }
}

/// A range without the white space at its ends.
pub fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let piece = &text[span.clone()];
    let start = span.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}
