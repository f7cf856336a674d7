//! Replies that go round in circles: small models do, most of all when they take the likeliest token every time.

/// Times that the same tokens stand one after the other.
const TIMES: usize = 3;
/// Fewest tokens that they take together; fewer may be meant.
const FEWEST: usize = 24;
/// Longest circle that is looked for, in tokens.
const LONGEST: usize = 64;

/// Whether a reply ends with the same tokens several times over.
pub(super) fn circles(reply: &[u32]) -> bool {
    (1..=LONGEST.min(reply.len() / TIMES)).any(|period| {
        let length = (period * TIMES).max(FEWEST.next_multiple_of(period));
        reply.len() >= length && {
            let end = &reply[reply.len() - length..];
            end[period..] == end[..length - period]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_seen_when_it_closes_for_the_third_time() {
        let sentence: Vec<u32> = (10..20).collect();
        let said = |times: usize| [&[1, 2, 3], sentence.repeat(times).as_slice()].concat();
        assert!(!circles(&said(2)));
        assert!(!circles(&said(3)[..32]), "the third is not complete");
        assert!(circles(&said(3)));
    }

    #[test]
    fn a_short_circle_has_to_go_on_for_longer() {
        assert!(!circles(&[7; 23]), "a row of dashes may be meant");
        assert!(circles(&[7; 24]));
        assert!(!circles(&[7, 8].repeat(11)));
        assert!(circles(&[7, 8].repeat(12)));
    }

    #[test]
    fn what_differs_in_a_token_is_no_circle() {
        let list: Vec<u32> = (0..20).flat_map(|item| [5, 6, 7, 8, 9, 100 + item]).collect();
        assert!(!circles(&list));
        assert!(!circles(&[]));
    }
}
