//! Whether a reply states a fact: one of the fact's wordings occurs in it.
//!
//! Case and the kind of white space do not matter. A wording that begins or ends with a digit must not touch a further
//! digit, so that "4 dias" is not found in "14 dias".

/// Whether any wording occurs in the text.
pub(super) fn states(text: &str, wordings: &[String]) -> bool {
    let text = plain(text);
    wordings
        .iter()
        .map(|wording| plain(wording))
        .any(|wording| !wording.is_empty() && occurs(&text, &wording))
}

fn plain(text: &str) -> String {
    text.to_lowercase().replace('’', "'").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn occurs(text: &str, wording: &str) -> bool {
    let digit = |character: Option<char>| character.is_some_and(char::is_numeric);
    text.match_indices(wording).any(|(start, found)| {
        let touches_before = digit(found.chars().next()) && continues_number(text[..start].chars().rev());
        let touches_after =
            digit(found.chars().next_back()) && continues_number(text[start + found.len()..].chars());
        !touches_before && !touches_after
    })
}

/// Whether what comes next belongs to the same number: a digit, or a separator with a digit behind it.
fn continues_number(mut next: impl Iterator<Item = char>) -> bool {
    match next.next() {
        Some('.' | ',') => next.next().is_some_and(char::is_numeric),
        Some(character) => character.is_numeric(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::states;

    fn found(text: &str, wording: &str) -> bool {
        states(text, &[wording.to_owned()])
    }

    #[test]
    fn ignores_case_and_white_space() {
        assert!(found("O prazo é de 5\u{a0}Dias\nÚteis.", "5 dias úteis"));
        assert!(found("Costs €6.90.", "€6.90"));
        assert!(states("two business days", &["2 business days".into(), "two business days".into()]));
        assert!(!found("The parcel", "parcels"));
    }

    #[test]
    fn a_number_is_not_found_inside_another_one() {
        assert!(!found("leva 14 dias úteis", "4 dias úteis"));
        assert!(!found("costs £50.25", "£50"));
        assert!(!found("costs 1.299", "299"));
        assert!(found("It costs £50, or more.", "£50"));
        assert!(found("de 10 a 4 dias", "4 dias"));
    }
}
