//! What an agent sees while a reply is written: without citation marks, and nothing of a refusal.

use tokio::sync::mpsc::UnboundedSender;

use super::citations::without_marks;
use super::refusal::is_refusal;

/// Sent in place of text when another backend begins anew: whoever shows the draft clears what came before. (The form
/// feed of old printers: a new page.)
pub const RESTART: &str = "\u{c}";

/// So many bytes are held back until it is clear that they do not begin a refusal.
const HELD_BACK: usize = 16;
/// A mark is no longer than this.
const LONGEST_MARK: usize = 24;

/// Passes text on as it becomes certain.
pub(super) struct Deltas {
    to: Option<UnboundedSender<String>>,
    raw: String,
    sent: usize,
}

impl Deltas {
    pub(super) fn to(to: Option<UnboundedSender<String>>) -> Self {
        Self { to, raw: String::new(), sent: 0 }
    }

    pub(super) fn push(&mut self, delta: &str) {
        if self.to.is_none() {
            return;
        }
        self.raw.push_str(delta);
        if self.raw.len() >= HELD_BACK {
            let certain = certain(&self.raw).len();
            self.send(certain);
        }
    }

    pub(super) fn restart(&mut self) {
        if self.sent > 0
            && let Some(to) = &self.to
        {
            let _ = to.send(RESTART.to_owned());
        }
        self.raw.clear();
        self.sent = 0;
    }

    pub(super) fn finish(&mut self) {
        self.send(self.raw.len());
    }

    fn send(&mut self, until: usize) {
        let clean = without_marks(&self.raw[..until]);
        if is_refusal(&clean) {
            return;
        }
        let clean = if until < self.raw.len() { clean.trim_end() } else { clean.as_str() };
        // Marks are cut whole, so what was sent stays a prefix.
        if let (Some(to), Some(news)) = (&self.to, clean.get(self.sent..).filter(|news| !news.is_empty())) {
            let _ = to.send(news.to_owned());
            self.sent = clean.len();
        }
    }
}

/// The part before a mark that may still be open, and before a break that a mark would swallow.
fn certain(raw: &str) -> &str {
    let open = raw.rfind(['[', '【', '(']).filter(|at| {
        let tail = &raw[*at..];
        !tail.contains([']', '】', ')']) && tail.len() <= LONGEST_MARK
    });
    raw[..open.unwrap_or(raw.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&str]) -> String {
        let (to, mut from) = tokio::sync::mpsc::unbounded_channel();
        let mut deltas = Deltas::to(Some(to));
        for piece in pieces {
            if *piece == RESTART { deltas.restart() } else { deltas.push(piece) }
        }
        deltas.finish();
        let mut text = String::new();
        while let Ok(piece) = from.try_recv() {
            if piece == RESTART { text.clear() } else { text.push_str(&piece) }
        }
        text
    }

    #[test]
    fn marks_and_refusals_are_never_shown() {
        assert_eq!(
            shown(&["A entrega leva 5 dias", " úteis ", "[", "1", "]. ", "Até logo [2]."]),
            "A entrega leva 5 dias úteis. Até logo."
        );
        assert_eq!(shown(&["NO", "_ANS", "WER", " and nothing else, really"]), "");
        assert_eq!(shown(&["Sim."]), "Sim.");
        assert_eq!(
            shown(&["A first reply that breaks off", RESTART, "A second reply, whole."]),
            "A second reply, whole."
        );
    }

    #[test]
    fn any_cut_shows_the_same() {
        let reply = "São 5 dias úteis [1]. O frete (padrão) custa R$ 19,90 [fonte 2][3]. Obrigado!";
        let whole = without_marks(reply);
        for size in 1..12 {
            let characters: Vec<char> = reply.chars().collect();
            let pieces: Vec<String> = characters.chunks(size).map(|chunk| chunk.iter().collect()).collect();
            assert_eq!(shown(&pieces.iter().map(String::as_str).collect::<Vec<_>>()), whole, "{size}");
        }
    }
}
