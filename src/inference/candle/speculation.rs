//! Guesses at the next tokens that cost no model: what followed the last words where they stood before.
//!
//! A grounded reply copies from its passages, so that a look-up in the prompt is often right (prompt lookup decoding,
//! Saxena 2023, <https://github.com/apoorvumang/prompt-lookup-decoding>). A guess is read together with the last token
//! and kept as far as the sampler chooses the same; what is said does not change.

/// Most tokens guessed at once: with the last token they fill the rows that a kernel computes together.
const MOST: usize = 3;
/// Longest and shortest run of last tokens that is looked up.
const RUNS: [usize; 2] = [3, 2];

/// The tokens that followed the last ones where these stood before, the latest place first; at most `room`.
pub(super) fn propose(tokens: &[u32], room: usize) -> &[u32] {
    for run in RUNS {
        let Some(start) = tokens.len().checked_sub(run) else { continue };
        let (before, last) = (&tokens[..tokens.len() - 1], &tokens[start..]);
        if let Some(found) = before.windows(run).rposition(|window| window == last) {
            let next = found + run;
            return &tokens[next..tokens.len().min(next + MOST.min(room))];
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_what_followed_the_last_words_before() {
        let tokens = [1, 2, 3, 4, 5, 6, 9, 2, 3, 4];
        assert_eq!(propose(&tokens, 10), [5, 6, 9]);
        assert_eq!(propose(&tokens, 2), [5, 6]);
        assert_eq!(propose(&tokens, 0), [0; 0]);
    }

    #[test]
    fn prefers_the_longer_run_and_the_later_place() {
        assert_eq!(propose(&[1, 2, 3, 7, 2, 3, 8, 1, 2, 3], 1), [7], "three in a row beat two");
        assert_eq!(propose(&[5, 2, 3, 7, 6, 2, 3, 8, 4, 2, 3], 1), [8], "the later of two places");
    }

    #[test]
    fn guesses_nothing_where_nothing_was_said_before() {
        assert_eq!(propose(&[1, 2, 3], 3), [0; 0]);
        assert_eq!(propose(&[1], 3), [0; 0]);
        assert_eq!(propose(&[], 3), [0; 0]);
    }
}
