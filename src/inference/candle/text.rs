//! Tokens back to text: no broken character, no piece of a stop string.

/// Collects the bytes of tokens and gives out text as soon as it is certain.
pub struct TextStream {
    /// Bytes that do not yet make a character.
    pending: Vec<u8>,
    /// Text that may be the beginning of a stop string.
    held: String,
    stops: Vec<String>,
    stopped: bool,
}

impl TextStream {
    /// Text until the first of `stops`; empty ones are ignored.
    pub fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self { pending: Vec::new(), held: String::new(), stops, stopped: false }
    }

    /// Whether a stop string was met; nothing follows.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Takes the bytes of one token and returns the text that is now certain.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        if self.stopped {
            return String::new();
        }
        self.pending.extend_from_slice(bytes);
        let decoded = self.decode(false);
        self.held.push_str(&decoded);
        self.release()
    }

    /// Returns what was still held when the reply ends; broken bytes become U+FFFD.
    pub fn finish(&mut self) -> String {
        if self.stopped {
            return String::new();
        }
        let decoded = self.decode(true);
        self.held.push_str(&decoded);
        let mut out = self.release();
        if !self.stopped {
            out.push_str(&std::mem::take(&mut self.held));
        }
        out
    }

    /// Takes whole characters from the pending bytes; an incomplete one at the end stays unless `last`.
    fn decode(&mut self, last: bool) -> String {
        let mut out = String::new();
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(text) => {
                    out.push_str(text);
                    self.pending.clear();
                    return out;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    out.push_str(&String::from_utf8_lossy(&self.pending[..valid]));
                    let Some(broken) = error.error_len() else {
                        self.pending.drain(..valid);
                        if last {
                            self.pending.clear();
                            out.push(char::REPLACEMENT_CHARACTER);
                        }
                        return out;
                    };
                    out.push(char::REPLACEMENT_CHARACTER);
                    self.pending.drain(..valid + broken);
                }
            }
        }
    }

    /// Cuts at the earliest stop string, or keeps back the longest end that could become one.
    fn release(&mut self) -> String {
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.stopped = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        std::mem::replace(&mut self.held, rest)
    }
}

/// Bytes of the longest end of `text` that is a beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices().map(|(at, _)| at).filter(|at| text.ends_with(&stop[..*at])).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(stops: &[&str], pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
        let mut stream = TextStream::new(&stops);
        let mut out: Vec<String> = pieces.iter().map(|piece| stream.push(piece)).collect();
        out.push(stream.finish());
        (out, stream.stopped())
    }

    #[test]
    fn a_character_split_over_tokens_comes_whole() {
        let bytes = "ação €".as_bytes();
        let (out, _) = run(&[], &[&bytes[..2], &bytes[2..4], &bytes[4..8], &bytes[8..]]);
        assert_eq!(out, ["a", "ç", "ão ", "€", ""]);
    }

    #[test]
    fn broken_bytes_become_replacement_characters() {
        let (out, _) = run(&[], &[b"a\xff", b"b\xe2\x82"]);
        assert_eq!(out.concat(), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn a_stop_string_over_three_tokens_is_never_shown() {
        let (out, stopped) = run(&["\nUser:"], &[b"Hello", b"\nUs", b"er", b": more"]);
        assert_eq!((out.concat().as_str(), stopped), ("Hello", true));
    }

    #[test]
    fn what_only_began_like_a_stop_string_comes_later() {
        let (out, stopped) = run(&["STOP"], &[b"a ST", b"AR ST"]);
        assert_eq!(out, ["a ", "STAR ", "ST"]);
        assert!(!stopped);
    }

    #[test]
    fn the_earliest_of_several_stop_strings_wins() {
        let (out, _) = run(&["bb", "a", ""], &[b"xxbba"]);
        assert_eq!(out.concat(), "xx");
    }

    proptest! {
        #[test]
        fn the_pieces_of_any_text_join_to_the_text(text in "[abç€🙂]{0,40}", cuts in prop::collection::vec(0usize..200, 0..8)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let (out, _) = run(&["ab🙂"], &pieces);
            let expected = text.split("ab🙂").next().unwrap_or_default();
            prop_assert_eq!(out.concat(), expected);
        }
    }
}
