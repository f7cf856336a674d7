//! Where a text names the customer: the whole name in any case, and a part of it where it is written as a name is.
//!
//! *João Dias* is no reason to take *5 dias* for him. A part counts where it begins with a capital and goes on in small letters,
//! but for the beginning of a sentence; anywhere else, and all in small letters or in capitals, where it is no word: none of
//! those that public texts hold in small letters, and none of a list. What that leaves open: who is called *Rosa* and signs
//! *rosa*, or begins a sentence with it.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use crate::text::Seen;

/// Shorter parts of a name, and its particles, are no name of anybody.
const SHORTEST: usize = 3;
const PARTICLES: [&str; 10] = ["das", "dos", "del", "della", "dello", "von", "van", "the", "mrs", "sra"];

/// What stands before a name, with a full stop.
const TITLES: [&str; 11] = ["sr", "sra", "srta", "dr", "dra", "mr", "mrs", "ms", "sig", "dott", "prof"];

/// Words of the four languages that are names too, and what hubs call a customer whose name they do not know.
static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "alegre alegria amado amor anjos barros branca branco bravo caldeira calado campos castelo céu claro clara costa couto cruz \
     dias dores esperança faria flores fontes forte franco frio furtado graça grande guerra guia justo lago leal leite luz \
     machado mar matos mesa nobre novo paz pena pequeno pinto pontes porto prado prata prazeres preto queijo ramos reis rocha \
     rosa sal salgado santos serra sol torres vale ventura verde vitória \
     amore basso bello bianca bianco cara carta chiara conte conti corsa donna felice ferro fiore fontana franca gentile gioia \
     giusto grasso grazia lungo monti natale nero pace palma pasqua piano prima primo quaranta riva rossa rosso russo santo \
     serena sereno sole speranza stella testa valle vento vera vero villa vita vittoria \
     abril alba blanca blanco bueno caballero cabello calle casas castillo cielo consuelo cortes delgado dolores fuente fuentes \
     gracia gracias hierro iglesia león marina mayo mercado mercedes montes nieves pilar plaza puente puerto remedios rey reyes \
     rico río rojo rosario rubio salas sierra socorro soledad tierra toro valiente vega victoria \
     amber april art ash august autumn baker bay bean bell berry best bill bird black blue bond book booth bow brand bridge \
     bright brook brown buck bull bush carter case cash chance chase church clay clerk coach cook cooper court crane cross \
     crystal dawn day dean early east elder faith field fields fine forest frost glass gold good grace grant gray green grey guy \
     hall hand hardy heath hill hills holiday home honey hood hope house hunt hunter iris ivory jack jewel joy judge june key \
     king knight lamb land lane law lily little long lord love major mark marks may mercy miles mill mills moon more nice noble \
     north olive page park parks patience peace pearl penny pike pope post pound power powers price pride prince quick rain read \
     rich ring rivers rock root rose ruby rule rush sand sandy savage school sharp shore short silver sky small smith snow \
     sparks spring stamp star steel stone storm story street strong sue summer summers swift tailor tile town trip vale violet \
     walker wall ward waters way weeks well wells west wheeler white will willow wing winter winters wise wolf wood woods young \
     anônimo anónimo anonymous client cliente clients clientes contact contacto contato customer guest loja negozio ospite shop \
     store tienda user usuario usuário utente visitante visitatore visitor"
        .split_whitespace()
        .collect()
});

/// A name as the hub tells it, the whole or a part.
#[derive(Debug, Clone)]
struct Form {
    text: String,
    part: bool,
}

/// The forms of one person's name, and the words that are none.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    forms: Vec<Form>,
    words: HashSet<String>,
}

impl Names {
    /// Takes in a name: the whole, and each part that names. Gives each form that was not known, as it is written.
    pub(super) fn learn(&mut self, name: &str) -> Vec<String> {
        let seen = Seen::of(name);
        let name = seen.text().trim();
        let parts: Vec<&str> = name.split_whitespace().collect();
        let names = |part: &&str| {
            part.chars().count() >= SHORTEST && !PARTICLES.contains(&part.to_lowercase().as_str())
        };
        let whole = (parts.len() > 1).then_some((name, false));
        let parts = parts.into_iter().filter(names).map(|part| (part, true));
        let before = self.forms.len();
        for (text, part) in whole.into_iter().chain(parts) {
            let known = self.forms.iter().any(|form| form.text == text);
            if text.chars().any(char::is_alphabetic) && !known {
                self.forms.push(Form { text: text.to_owned(), part });
            }
        }
        self.forms[before..].iter().map(|form| form.text.clone()).collect()
    }

    /// Takes in the words that a public text holds in small letters. An address is no word.
    pub(super) fn read(&mut self, text: &str) {
        let seen = Seen::of(text);
        let words = seen
            .text()
            .split_whitespace()
            .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
            .filter(|word| word.chars().all(char::is_lowercase));
        self.words.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
    }

    /// Where the person is named, in the order of the text; of names that overlap the longest.
    pub(super) fn find(&self, original: &str) -> Vec<Range<usize>> {
        let seen = Seen::of(original);
        let text = seen.text();
        let mut spans: Vec<Range<usize>> = self
            .forms
            .iter()
            .flat_map(|form| whole(text, &form.text).filter(|span| !form.part || self.names(text, span)))
            .collect();
        spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        let mut end = 0;
        spans.retain(|span| {
            let apart = span.start >= end;
            if apart {
                end = span.end;
            }
            apart
        });
        spans.into_iter().map(|span| seen.original(span)).collect()
    }

    /// Whether a part of the name stands there as a name, and not as a word.
    fn names(&self, text: &str, span: &Range<usize>) -> bool {
        let part = &text[span.clone()];
        let mut letters = part.chars();
        let titled = letters.next().is_some_and(char::is_uppercase) && letters.any(char::is_lowercase);
        (titled && !begins_sentence(&text[..span.start])) || !self.is_word(part)
    }

    /// Whether a part of a name, or what is left of one, is a word too.
    pub(super) fn is_word(&self, part: &str) -> bool {
        let word = part.to_lowercase();
        self.words.contains(&word) || WORDS.contains(word.as_str())
    }
}

/// Whether a sentence, a line or a list's item begins behind this text. *Sr.* ends none, and neither does an initial.
fn begins_sentence(before: &str) -> bool {
    let before = before.trim_end_matches(|c: char| " \t\"'“‘«([¿¡*_#•–-".contains(c));
    if let Some(before) = before.strip_suffix('.') {
        let word = before.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default().to_lowercase();
        return word.chars().count() != 1 && !TITLES.contains(&word.as_str());
    }
    before.is_empty() || before.ends_with(['!', '?', '…', ':', ';', '\n', '>', '|'])
}

/// Where a spelling stands as a word of its own, in any case.
pub(super) fn whole<'a>(text: &'a str, spelling: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let same = move |at: &usize| {
        text.get(*at..at + spelling.len()).is_some_and(|part| part.to_lowercase() == spelling.to_lowercase())
    };
    let first = spelling.chars().next();
    // Most places differ in their first letter already.
    let begins = move |c: char| first.is_some_and(|first| c.to_lowercase().eq(first.to_lowercase()));
    text.char_indices()
        .filter(move |(_, c)| begins(*c))
        .map(|(at, _)| at)
        .filter(same)
        .map(|at| at..at + spelling.len())
        .filter(|span| {
            let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            !word(text[..span.start].chars().next_back()) && !word(text[span.end..].chars().next())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with the person's names in brackets.
    fn shown(name: &str, public: &str, text: &str) -> String {
        let mut names = Names::default();
        names.learn(name);
        names.read(public);
        let mut out = text.to_owned();
        for span in names.find(text).into_iter().rev() {
            out.insert(span.end, ']');
            out.insert(span.start, '[');
        }
        out
    }

    #[test]
    fn a_part_of_a_name_is_no_word() {
        let public = "A entrega leva 5 dias úteis. Escreva a helena@loja.example.";
        for (name, text) in [
            ("João Dias", "leva 5 dias úteis, ou 7 DIAS. Dias de festa não contam.\n- Dias úteis\n\"Dias\""),
            ("João Dias", "Olá, [João], ou Sr. [Dias], J. [Dias]: [joão dias], [JOÃO DIAS]?"),
            ("joão dias", "chegou em dois dias, diz o [João]; o [joão] e o sr. [Dias] agradecem"),
            ("Maria Costa", "quanto costa? Costa poco. La [Maria Costa], la [maria] e la Sig.ra [Costa]."),
            ("Bill Price", "what price will the bill have? Bill asks, Mr. [Price], and [Bill] waits"),
            ("Helena Úteis", "[helena], [Helena] e os dias úteis"),
            ("Marta Zum", "[marta] e [zum], [MARTA]. [Zum]"),
            ("Ana Souza", "a [Sou\u{200b}za], a [Ana\u{a0}Souza] e a [A\u{ad}na]"),
            ("Sou\u{200b}za Lima", "a [Souza] e o [Lima]"),
            ("Cliente", "o cliente quer saber. CLIENTE: qual?"),
            ("Ana de Sá", "[ana de sá]: [ana], de sá, [Ana], Anabela"),
        ] {
            assert_eq!(shown(name, public, &text.replace(['[', ']'], "")), text, "{name}");
        }
        let named = |public| shown("Ana Prazo", public, "qual é o prazo?");
        assert_eq!(named("É de 5 dias."), "qual é o [prazo]?", "nothing has shown that it is a word");
        assert_eq!(named("O prazo é de 5 dias."), "qual é o prazo?");
    }
}
