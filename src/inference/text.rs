//! Words, stems and sentences of plain text or Markdown: what quoting, cutting and citing share.
//!
//! Everything is a byte range of the original text, so a quote always occurs literally in its source.

use std::collections::HashSet;
use std::ops::Range;

use rust_stemmers::{Algorithm, Stemmer as Snowball};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Longest key of a word in characters. Cutting stems joins forms that Snowball parts when accents are missing
/// (*devolução*, *devolucao*, *devoluções*).
const KEY_CHARS: usize = 6;

/// Lower case without diacritics.
pub fn fold(text: &str) -> String {
    text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// Turns words into keys that equal each other across inflections and missing accents.
pub struct Keys {
    stemmer: Option<Snowball>,
    stop: HashSet<&'static str>,
}

impl Keys {
    /// For an ISO 639-1 code; another language than the four keeps words as they are and knows no stop words.
    pub fn of(language: &str) -> Self {
        let (algorithm, words) = match language {
            "pt" => (Some(Algorithm::Portuguese), STOP_PT),
            "it" => (Some(Algorithm::Italian), STOP_IT),
            "es" => (Some(Algorithm::Spanish), STOP_ES),
            "en" => (Some(Algorithm::English), STOP_EN),
            _ => (None, ""),
        };
        Self { stemmer: algorithm.map(Snowball::create), stop: words.split_whitespace().collect() }
    }

    /// The key of one word; `None` for a stop word.
    pub fn key(&self, word: &str) -> Option<String> {
        let folded = fold(word);
        if folded.is_empty() || self.stop.contains(folded.as_str()) {
            return None;
        }
        let digits = folded.chars().any(|c| c.is_ascii_digit());
        if !digits && folded.chars().count() < 2 {
            return None;
        }
        if digits {
            return Some(folded);
        }
        let stem = self
            .stemmer
            .as_ref()
            .map_or_else(|| folded.clone(), |stemmer| fold(&stemmer.stem(&word.to_lowercase())));
        Some(stem.chars().take(KEY_CHARS).collect())
    }

    /// The distinct keys of a text, in order of first appearance.
    pub fn all(&self, text: &str) -> Vec<String> {
        let mut seen = HashSet::new();
        words(text).filter_map(|word| self.key(word)).filter(|key| seen.insert(key.clone())).collect()
    }
}

/// The words of a text. Elided articles stand alone: *l'ordine* is two words.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.unicode_words().flat_map(|word| word.split(['\'', '’'])).filter(|word| !word.is_empty())
}

/// The smallest piece of a passage that can be quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its bytes in the text, without markers and surrounding space.
    pub span: Range<usize>,
    /// What it is.
    pub kind: UnitKind,
    /// Units of one paragraph, list or table share a block.
    pub block: usize,
}

/// What a unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitKind {
    /// A sentence of a paragraph.
    Sentence,
    /// A sentence of a list item.
    Item,
    /// A row of a table, with the row of its headings.
    Row {
        /// Bytes of the heading row.
        header: Range<usize>,
    },
    /// A heading, or a sentence that asks.
    Lead,
}

impl Unit {
    /// Its words in `text`.
    pub fn text<'a>(&self, text: &'a str) -> &'a str {
        &text[self.span.clone()]
    }

    /// What can be read aloud: white space collapsed; a row as its first cell and `heading: cell` pairs.
    pub fn render(&self, text: &str) -> String {
        let UnitKind::Row { header } = &self.kind else {
            return collapse(self.text(text));
        };
        let headings = cells(&text[header.clone()]);
        let row = cells(self.text(text));
        let mut parts = Vec::new();
        for (position, cell) in row.iter().enumerate().skip(1).filter(|(_, cell)| !cell.is_empty()) {
            parts.push(match headings.get(position).filter(|heading| !heading.is_empty()) {
                Some(heading) => format!("{heading}: {cell}"),
                None => (*cell).to_owned(),
            });
        }
        match row.first().filter(|first| !first.is_empty()) {
            Some(first) if parts.is_empty() => (*first).to_owned(),
            Some(first) => format!("{first} – {}.", parts.join("; ")),
            None => parts.join("; "),
        }
    }
}

/// White space, line breaks included, as single spaces.
pub fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cells(row: &str) -> Vec<&str> {
    row.trim().trim_start_matches('|').trim_end_matches('|').split('|').map(str::trim).collect()
}

/// Splits a text into its units, in order.
pub fn units(text: &str) -> Vec<Unit> {
    let mut splitter = Splitter { text, units: Vec::new(), block: 0, open: None };
    let mut table: Option<Table> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let whole = start..start + line.len();
        start = whole.end;
        let span = trim(text, whole);
        let content = &text[span.clone()];
        if content.starts_with('|') && content.len() > 1 {
            splitter.close();
            table.get_or_insert_with(Table::default).line(&mut splitter, span);
            continue;
        }
        if table.take().is_some() {
            splitter.block += 1;
        }
        if content.is_empty() {
            splitter.close();
            splitter.block += 1;
        } else if content.starts_with('#') {
            splitter.close();
            splitter.block += 1;
            let marks = content.len() - content.trim_start_matches(['#', ' ']).len();
            splitter.push(span.start + marks..span.end, UnitKind::Lead);
        } else if let Some(marker) = item_marker(content) {
            splitter.close();
            splitter.open = Some((span.start + marker..span.end, UnitKind::Item));
        } else {
            match &mut splitter.open {
                Some((open, _)) => open.end = span.end,
                None => splitter.open = Some((span, UnitKind::Sentence)),
            }
        }
    }
    splitter.close();
    splitter.units
}

/// The sentences of a plain text, as byte ranges without surrounding space. A line break ends a sentence.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (offset, piece) in text.split_sentence_bound_indices() {
        let span = trim(text, offset..offset + piece.len());
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

fn has_word(text: &str) -> bool {
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

fn item_marker(line: &str) -> Option<usize> {
    for bullet in ["- ", "* ", "+ ", "• "] {
        if line.starts_with(bullet) {
            return Some(bullet.len());
        }
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &line[digits..];
    ((1..=3).contains(&digits) && (rest.starts_with(". ") || rest.starts_with(") "))).then_some(digits + 2)
}

fn trim(text: &str, span: Range<usize>) -> Range<usize> {
    let piece = &text[span.clone()];
    let start = span.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}

struct Splitter<'a> {
    text: &'a str,
    units: Vec<Unit>,
    block: usize,
    open: Option<(Range<usize>, UnitKind)>,
}

impl Splitter<'_> {
    fn close(&mut self) {
        let Some((span, kind)) = self.open.take() else { return };
        // Line breaks within a paragraph end no sentence; spaces keep every offset.
        let flat = self.text[span.clone()].replace(['\n', '\r'], " ");
        for sentence in sentences(&flat) {
            let sentence = span.start + sentence.start..span.start + sentence.end;
            let asks = self.text[sentence.clone()].ends_with('?');
            self.push(sentence, if asks { UnitKind::Lead } else { kind.clone() });
        }
    }

    fn push(&mut self, span: Range<usize>, kind: UnitKind) {
        if has_word(&self.text[span.clone()]) {
            self.units.push(Unit { span, kind, block: self.block });
        }
    }
}

#[derive(Default)]
struct Table {
    header: Option<Range<usize>>,
}

impl Table {
    fn line(&mut self, splitter: &mut Splitter<'_>, span: Range<usize>) {
        let content = &splitter.text[span.clone()];
        if content.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) {
            return;
        }
        match &self.header {
            None => self.header = Some(span),
            Some(header) => splitter.push(span, UnitKind::Row { header: header.clone() }),
        }
    }
}

const STOP_EN: &str = "a about am an and any are as at be been but by can could d did do does doesn don for from \
    get got had has have hello hey hi how i if in into is it its just ll m me my need of ok okay on or our out \
    please re s should so t thank thanks that the their them then there these they this to us ve want was we were \
    what when where which who why will with would you your yours";
const STOP_PT: &str = "a ao aos ai as ate bem boa bom com como da das de dia do dos e ela ele eles em era essa esse \
    esta estao estou este eu foi gostaria ha isso isto ja la lhe mais mas me meu meus minha minhas muito na nas nao \
    no nos nem o oi ola obrigada obrigado ou os para pela pelo per pode posso por porque pra pro q qual quais quando \
    quanto quantos quanta que quem queria quero se sem ser seu seus so sou sua suas ta tarde tb tem tenho ter tudo \
    um uma vai vc vcs voce voces vou";
const STOP_ES: &str = "a al algo alguna asi bien buen buena buenas bueno buenos como con cual cuales cuando cuanta \
    cuanto cuantos de del desde dia dias donde e el ella ellos en era es esa ese eso esta estan estas este esto \
    estoy fue gracias ha hacer hasta hay he hola la las le les lo los mas me mi mis muy na ni no nos o os para pero \
    por porque pq puede puedo q que quien quiero quisiera se sea ser si sin sobre son soy su sus tambien tarde \
    tengo tiene tienen tu tus un una unas uno unos vuestra vuestro y ya yo";
const STOP_IT: &str = "a ad ai al alla alle allo agli anche avete buon buona buongiorno buonasera c che chi ci ciao \
    come con cosa cui da dagli dai dal dalla d de degli dei del dell della delle dello di dove e ed era essere fa \
    gli grazie ha hai hanno ho i il in io l la le lei lo loro ma me mi mia mie miei mio molto ne nei nel nella \
    nelle no noi non o per perche piu po posso possibile puo qual quale quali quando quanta quanti quanto questa \
    queste questi questo salve se sei si sia sono sta sto su sua sue sugli sui sul sulla suo suoi te ti tra tu un \
    una uno vi voi vorrei vostra vostri vostro";

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Vec<String> {
        units(text).iter().map(|unit| unit.render(text)).collect()
    }

    #[test]
    fn inflections_and_missing_accents_share_a_key() {
        let keys = Keys::of("pt");
        for form in ["devolucao", "devoluções", "Devoluçoes"] {
            assert_eq!(keys.key(form), keys.key("devolução"), "{form}");
        }
        assert_eq!(keys.key("não"), None);
        assert_eq!(Keys::of("it").all("L'ordine è in ritardo: ordini?"), ["ordin", "ritard"]);
    }

    #[test]
    fn paragraphs_items_and_rows_become_units() {
        let text = "Orders leave on\nMonday. See no. 5 for more.\n\n- First thing.\n- Second: 3.50 a kg\n\n\
            | Country | Time | Cost |\n|---|---|---|\n| Spain | 3 days | €4.90 |\n\nWhat then? Nothing.";
        assert_eq!(
            rendered(text),
            [
                "Orders leave on Monday.",
                "See no. 5 for more.",
                "First thing.",
                "Second: 3.50 a kg",
                "Spain – Time: 3 days; Cost: €4.90.",
                "What then?",
                "Nothing.",
            ]
        );
        assert_eq!(units(text)[5].kind, UnitKind::Lead);
    }

    #[test]
    fn every_unit_is_a_part_of_its_text() {
        for text in ["", "|", "| |", "# ", "- ", "1.", "¿Sí? ¡Ya!\r\n* á\u{301}. B", "a\n\n\n|x|\n|-|\n|y|\n"]
        {
            for unit in units(text) {
                assert!(!unit.text(text).trim().is_empty(), "{text:?}");
            }
        }
    }
}
