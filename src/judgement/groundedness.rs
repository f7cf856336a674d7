//! How far each sentence of a draft stands on the passages, word by word.
//!
//! Support of a sentence is the weighted share of its content words (stemmed, without accents) that the best window of
//! a passage holds: up to three neighbouring sentences, list items or table rows, with the passage's headings. A word
//! weighs `ln(1 + N / max(df, 1))` over the N units of all passages found (rare words say more; Robertson and Spärck
//! Jones' idf, smoothed); a number weighs twice that. Courtesies ("I hope this helps") claim nothing and count as
//! supported. What a sentence is reported with is the best passage's share as a whole, wherever in it the words stand.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use super::SentenceGrounding;
use super::claims::{Claim, Evidence, claims, pattern};
use super::opposites::contradicted;
use super::semantic::Pair;
use crate::conversation::Language;
use crate::generation::Draft;
use crate::retrieval::{Passage, Retrieved};
use crate::text::{Keys, UnitKind, fold, sentences, units, words};

/// Units of a passage that may support one sentence together.
const WINDOW: usize = 3;
/// Support from which the words settle it.
const SETTLED: f64 = 0.8;
/// Support from which sentence and window speak of the same, so that their negations can be compared.
const COMPARABLE: f64 = 0.5;
/// Words behind a negation among which those that it governs are looked for, and how many it governs.
const REACH: usize = 7;
const GOVERNED: usize = 2;

/// What was measured of a draft's sentences.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grounding {
    pub(super) sentences: Vec<SentenceGrounding>,
    /// Support of the sentences that claim something.
    pub(super) supports: Vec<f64>,
    /// Claims found in the supporting passages, and all.
    pub(super) claims: (usize, usize),
    /// Share of the question's content words in the supporting windows and their headings.
    pub(super) question_in_windows: f64,
    /// Sentences that words alone do not settle, weakest first, with their best window.
    pub(super) pairs: Vec<Pair>,
    /// Share of the sentences that negate nothing that their source affirms, and affirm nothing that it negates.
    pub(super) negation: f64,
    /// Share of the draft's content words that some source holds.
    pub(super) words_in_sources: f64,
    /// Names that no source holds.
    pub(super) strange_names: usize,
    /// Numbers, dates, links and codes that no source holds.
    pub(super) strange_figures: usize,
    /// Words whose opposite the source has.
    pub(super) opposites: usize,
    /// Sentences that negate what their source affirms, or affirm what it negates.
    pub(super) turned: usize,
}

struct Source<'a> {
    passage: &'a Passage,
    heading: BTreeSet<String>,
    units: Vec<Piece>,
}

impl Source<'_> {
    fn holds(&self, key: &String) -> bool {
        self.heading.contains(key) || self.units.iter().any(|piece| piece.keys.contains(key))
    }

    /// Weighted share of the words that the passage holds anywhere.
    fn share(&self, words: &[String], weights: &Weights) -> f64 {
        let weigh = |word: &String| weights.of_word(word);
        let total: f64 = words.iter().map(weigh).sum();
        let held: f64 = words.iter().filter(|word| self.holds(word)).map(weigh).sum();
        if total > 0.0 { held / total } else { 1.0 }
    }
}

struct Piece {
    text: String,
    keys: BTreeSet<String>,
    negated: BTreeSet<String>,
}

/// Measures a draft against the passages it may rest on.
pub(super) fn measure(
    question: &str,
    language: Language,
    draft: &Draft,
    retrieved: &[Retrieved],
) -> Grounding {
    let sources: Vec<Source<'_>> = retrieved.iter().map(|hit| source(&hit.passage)).collect();
    let cited: HashSet<&str> = draft.citations.iter().map(|citation| citation.passage_id.as_str()).collect();
    let weights = Weights::of(&sources);
    let keys = Keys::of(language.code());
    let mut grounding = Grounding {
        sentences: Vec::new(),
        supports: Vec::new(),
        claims: (0, 0),
        question_in_windows: 0.0,
        pairs: Vec::new(),
        negation: 1.0,
        words_in_sources: 1.0,
        strange_names: 0,
        strange_figures: 0,
        opposites: 0,
        turned: 0,
    };
    let mut pairs: Vec<(f64, Pair)> = Vec::new();
    let mut window_keys: BTreeSet<String> = BTreeSet::new();
    let mut compared = 0_usize;
    let (mut held, mut said) = (0_usize, 0_usize);
    for span in sentences(&draft.text) {
        let text = &draft.text[span];
        let content: Vec<String> = keys.all(text);
        let found_claims = claims(text, language);
        if found_claims.is_empty() && is_courtesy(text, &keys) {
            grounding.sentences.push(SentenceGrounding {
                text: text.to_owned(),
                support: 1.0,
                passage_id: None,
                unsupported: Vec::new(),
            });
            continue;
        }
        let best = sources
            .iter()
            .filter_map(|source| best_window(&content, source, &weights).map(|window| (source, window)))
            .max_by(|(a, left), (b, right)| {
                let rank = |source: &Source<'_>| cited.contains(source.passage.id.as_str());
                left.support.total_cmp(&right.support).then(rank(a).cmp(&rank(b)))
            });
        let mut evidence = Evidence::default();
        evidence.add_words(question);
        for hit in retrieved {
            let own = best.as_ref().is_some_and(|(source, _)| source.passage.id == hit.passage.id);
            if own || cited.contains(hit.passage.id.as_str()) {
                evidence.add(&hit.passage.indexed_text(), hit.passage.language);
            }
        }
        said += content.len();
        held += content.iter().filter(|word| sources.iter().any(|source| source.holds(word))).count();
        let strange: Vec<&Claim> = found_claims.iter().filter(|claim| !evidence.supports(claim)).collect();
        let names = strange.iter().filter(|claim| claim.is_name()).count();
        grounding.strange_names += names;
        grounding.strange_figures += strange.len() - names;
        let mut unsupported: Vec<String> = strange.iter().map(|claim| claim.text.clone()).collect();
        grounding.claims.0 += found_claims.len() - unsupported.len();
        grounding.claims.1 += found_claims.len();
        let support = best.as_ref().map_or(0.0, |(_, window)| window.support);
        if let Some((source, window)) = &best {
            window_keys.extend(source.heading.iter().cloned());
            for piece in &source.units[window.from..window.to] {
                window_keys.extend(piece.keys.iter().cloned());
            }
            let pieces = source.units.get(window.from..window.to).unwrap_or_default();
            let same_language = source.passage.language.is_none_or(|of_source| of_source == language);
            let window_text = pieces.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>().join(" ");
            if same_language {
                let opposites = contradicted(text, &window_text, language);
                grounding.opposites += opposites.len();
                unsupported.extend(opposites);
            }
            if support < SETTLED {
                pairs.push((support, Pair { sentence: text.to_owned(), window: window_text }));
            }
            if support >= COMPARABLE && same_language {
                compared += 1;
                let turned = turned(text, pieces, language, &keys);
                grounding.turned += usize::from(!turned.is_empty());
                unsupported.extend(turned);
            }
        }
        grounding.supports.push(support);
        grounding.sentences.push(SentenceGrounding {
            text: text.to_owned(),
            support: best
                .as_ref()
                .map_or(support, |(source, _)| source.share(&content, &weights).max(support)),
            passage_id: best.filter(|_| support > 0.0).map(|(source, _)| source.passage.id.clone()),
            unsupported,
        });
    }
    pairs.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    grounding.pairs = pairs.into_iter().map(|(_, pair)| pair).collect();
    let asked = keys.all(question);
    if !asked.is_empty() {
        let held = asked.iter().filter(|key| window_keys.contains(*key)).count();
        grounding.question_in_windows = held as f64 / asked.len() as f64;
    }
    if said > 0 {
        grounding.words_in_sources = held as f64 / said as f64;
    }
    if compared > 0 {
        grounding.negation = 1.0 - grounding.turned as f64 / compared as f64;
    }
    grounding
}

fn source(passage: &Passage) -> Source<'_> {
    let keys = Keys::of(passage.language.map_or("", Language::code));
    let pieces = units(&passage.text)
        .into_iter()
        .map(|unit| {
            let mut text = unit.text(&passage.text).to_owned();
            if let UnitKind::Row { header } = &unit.kind {
                text.push(' ');
                text.push_str(&passage.text[header.clone()]);
            }
            let rendered = unit.render(&passage.text);
            Piece {
                keys: keys.all(&text).into_iter().collect(),
                negated: negated(&text, passage.language, &keys),
                text: rendered,
            }
        })
        .collect();
    Source { passage, heading: keys.all(&passage.heading()).into_iter().collect(), units: pieces }
}

struct Window {
    support: f64,
    from: usize,
    to: usize,
}

fn best_window(words: &[String], source: &Source<'_>, weights: &Weights) -> Option<Window> {
    let total: f64 = words.iter().map(|word| weights.of_word(word)).sum();
    let mut best: Option<Window> = None;
    for from in 0..source.units.len() {
        for to in from + 1..=(from + WINDOW).min(source.units.len()) {
            let window = &source.units[from..to];
            let held: f64 = words
                .iter()
                .filter(|word| {
                    source.heading.contains(*word) || window.iter().any(|piece| piece.keys.contains(*word))
                })
                .map(|word| weights.of_word(word))
                .sum();
            // Without a content word (a bare number, a name) only the claims can tell.
            let support = if total > 0.0 { held / total } else { 1.0 };
            if best.as_ref().is_none_or(|best| support > best.support + 1e-9) {
                best = Some(Window { support, from, to });
            }
        }
    }
    best
}

struct Weights {
    units: f64,
    frequencies: HashMap<String, usize>,
}

impl Weights {
    fn of(sources: &[Source<'_>]) -> Self {
        let mut frequencies = HashMap::new();
        let pieces = || sources.iter().flat_map(|source| &source.units);
        for key in pieces().flat_map(|piece| &piece.keys) {
            *frequencies.entry(key.clone()).or_insert(0) += 1;
        }
        Self { units: pieces().count() as f64, frequencies }
    }

    fn of_word(&self, word: &str) -> f64 {
        let frequency = self.frequencies.get(word).copied().unwrap_or(0).max(1);
        let weight = (1.0 + self.units / frequency as f64).ln();
        if word.starts_with(|c: char| c.is_ascii_digit()) { 2.0 * weight } else { weight }
    }
}

/// Words of a sentence, as written, that it negates while the window affirms them, or the other way round. What the window
/// says both ways tells nothing.
fn turned(sentence: &str, window: &[Piece], language: Language, keys: &Keys) -> Vec<String> {
    let denied = negated(sentence, Some(language), keys);
    let in_window = |key: &String| {
        let affirmed = window.iter().any(|piece| piece.keys.contains(key) && !piece.negated.contains(key));
        (affirmed, window.iter().any(|piece| piece.negated.contains(key)))
    };
    let mut seen = HashSet::new();
    words(sentence)
        .filter_map(|word| Some((word, keys.key(word)?)))
        .filter(|(_, key)| seen.insert(key.clone()))
        .filter(|(_, key)| match in_window(key) {
            (true, false) => denied.contains(key),
            (false, true) => !denied.contains(key),
            _ => false,
        })
        .map(|(word, _)| word.to_owned())
        .collect()
}

/// Keys of the content words that a negation governs: the next two, within a few words.
pub(super) fn negated(text: &str, language: Option<Language>, keys: &Keys) -> BTreeSet<String> {
    let all: Vec<&str> = words(text).collect();
    let negations = negations(language);
    let mut found = BTreeSet::new();
    for (at, word) in all.iter().enumerate() {
        if negations.contains(&fold(word).as_str()) {
            found
                .extend(all.iter().skip(at + 1).take(REACH).filter_map(|word| keys.key(word)).take(GOVERNED));
        }
    }
    found
}

/// Words that turn a statement around. *No* is "in the" in Portuguese, *ne* "of it" in Italian.
pub(super) fn negations(language: Option<Language>) -> &'static [&'static str] {
    match language {
        Some(Language::Pt) => &["nao", "nunca", "nem", "sem", "nenhum", "nenhuma"],
        Some(Language::It) => &["non", "mai", "senza", "nessun", "nessuno", "nessuna"],
        Some(Language::Es) => &["no", "nunca", "ni", "sin", "ningun", "ninguno", "ninguna", "jamas"],
        Some(Language::En) => &["no", "not", "never", "without", "cannot", "neither", "nor", "t"],
        None => &[],
    }
}

/// Keys of words that claim nothing in whatever order they stand. A word that may say something of a product, a price or a
/// service (*free*, *disponível*, *preciso*) is none, and counts as courtesy only inside one of the [`COURTESIES`].
const COURTESY: &[&str] = &[
    "agrade", "ajud", "algum", "altre", "altro", "ansios", "anyth", "assist", "atend", "ayud", "ayudar",
    "aiut", "bem-v", "bem-vi", "benven", "bienve", "certez", "cois", "contac", "contat", "cordia", "dear",
    "descul", "discul", "disfru", "dispia", "domand", "dud", "duv", "els", "encant", "entre", "esper",
    "favor", "feel", "felic", "feliz", "furthe", "gentil", "glad", "happi", "help", "hope", "know", "lament",
    "let", "mensag", "messag", "pergun", "piac", "pregun", "questi", "reach", "regard", "saudac", "scus",
    "sient", "sincer", "sint", "sorri", "sper", "spiac", "team", "welcom",
];

/// Courtesies whose words could claim something elsewhere.
static COURTESIES: LazyLock<Regex> = LazyLock::new(|| {
    let we = r"(?:estou|estamos|estoy|fico|ficamos|sigo|seguimos|quedo|quedamos|sono|siamo|resto|restiamo|rimango|rimaniamo)(?:\ sempre|\ siempre)?";
    let disposal = r"(?:\ (?:inteira|entera|completa|piena))?\ dispo(?:siç[ãa]o|sici[óo]n|sizione)";
    pattern(&format!(
        r"(?ix)\b(?:
        feel\ free
        | dear\ (?:valued\ )?(?:customer|client)s?
        | customer\ (?:service|support|care)
        | (?:kind|best|warm)\ (?:regards|wishes)
        | (?:car[oa]|prezad[oa]|estimad[oa]|querid[oa]|gentile|egregio)s?\ client[ei]s?
        | atendimento\ ao\ cliente | servizio\ clienti | (?:atenci[óo]n|servicio)\ al\ cliente
        | {we}\ (?:aqu[ií]|qui|dispon[ií]ve(?:l|is)|disponibles?|disponibil[ei])
        | aqu[ií]\ (?:estou|estamos|estoy)
        | (?:{we}\ [àa])(?:\ (?:sua|tua|vossa|su|tu|vuestra|vostra))?{disposal}
        | (?:sua|tua|vossa|su|tu|vuestra|vostra){disposal}
        | (?:se|caso|si|quando|cuando)\ (?:ainda\ )?(?:precis|necesit)\p{{L}}+(?:\ d[eo])?
        | (?:é|será|foi|es|com|con)\ (?:(?:um|un)\ )?(?:prazer|placer)
        | conte\ (?:sempre\ )?(?:conosco|connosco|comigo)
        | (?:melhores|cordiais)\ cumprimentos
        | (?:cordiali\ |distinti\ )?saluti | (?:un\ )?(?:cordial(?:es)?\ )?saludos?
        | (?:nossa|nuestro)\ equip[eoa]
        )\b
        | ^\W*(?:perfeito|perfetto|perfecto|perfect|excelente|eccellente|excellent)\W*$"
    ))
});

/// Whether a sentence without a claim is courtesy alone.
fn is_courtesy(sentence: &str, keys: &Keys) -> bool {
    let rest = COURTESIES.replace_all(sentence, " ");
    keys.all(&rest).iter().all(|key| COURTESY.contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judgement::tests::{draft, hit};

    const DELIVERY: &str = "A entrega padrão no Brasil leva 4 dias úteis e custa R$ 19,90. \
        Acima de R$ 250 a entrega é grátis. Não entregamos aos domingos.";

    fn grounding(text: &str) -> Grounding {
        let mut passage = hit("p1", DELIVERY, 0.9, 0.5);
        passage.passage.language = Some(Language::Pt);
        passage.passage.title = "Entrega".into();
        measure("quanto tempo demora a entrega?", Language::Pt, &draft(text), &[passage])
    }

    #[test]
    fn what_the_passage_says_is_supported() {
        let found = grounding("A entrega padrão no Brasil leva quatro dias úteis.");
        assert!(found.supports[0] > 0.7, "{found:?}");
        assert!(found.sentences[0].unsupported.is_empty(), "{found:?}");
        assert_eq!(found.sentences[0].passage_id.as_deref(), Some("p1"));
    }

    #[test]
    fn another_number_or_topic_is_not() {
        let number = grounding("A entrega padrão no Brasil leva 7 dias úteis.");
        assert_eq!(
            number.sentences[0].unsupported,
            ["7 dias"].map(|_| number.sentences[0].unsupported[0].clone())
        );
        assert!(number.sentences[0].unsupported[0].starts_with('7'));
        let topic = grounding("Vendemos cartões-presente em todas as lojas físicas.");
        assert!(topic.supports[0] < 0.3, "{topic:?}");
    }

    #[test]
    fn courtesies_claim_nothing() {
        let found = grounding("A entrega custa R$ 19,90. Espero ter ajudado!");
        assert_eq!(found.supports.len(), 1, "{found:?}");
        assert!((found.sentences[1].support - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_word_that_says_something_is_no_courtesy() {
        use Language::{En, Es, It, Pt};
        let courteous = |text: &str, language: Language| is_courtesy(text, &Keys::of(language.code()));
        for (text, language) in [
            ("It is free.", En),
            ("It is custom.", En),
            ("That is the best.", En),
            ("It is perfect for this.", En),
            ("You can get it for free.", En),
            ("Está disponível.", Pt),
            ("Não é preciso.", Pt),
            ("É o melhor.", Pt),
            ("É grátis.", Pt),
            ("O prazo é este.", Pt),
            ("È disponibile.", It),
            ("È gratis.", It),
            ("È a disposizione.", It),
            ("Non è necessario.", It),
            ("È caro.", It),
            ("Está disponible.", Es),
            ("No es preciso.", Es),
            ("Es bueno para la salud.", Es),
            ("Está libre.", Es),
        ] {
            assert!(!courteous(text, language), "{text}");
        }
        for (text, language) in [
            ("Feel free to reach out if you need anything else.", En),
            ("I am happy to help!", En),
            ("Dear customer, thank you for your message.", En),
            ("Kind regards, your customer service team", En),
            ("Espero ter ajudado!", Pt),
            ("Se precisar de mais alguma coisa, conte conosco.", Pt),
            ("Estamos sempre à sua disposição.", Pt),
            ("Estou aqui para ajudar, é um prazer!", Pt),
            ("Perfeito!", Pt),
            ("Gentile cliente, grazie!", It),
            ("Siamo a tua disposizione per altre domande.", It),
            ("Cordiali saluti", It),
            ("Estimado cliente, gracias.", Es),
            ("Quedamos a su disposición. Un saludo.", Es),
            ("Si necesitas ayuda, aquí estamos.", Es),
        ] {
            assert!(courteous(text, language), "{text}");
        }
    }

    #[test]
    fn what_is_said_beside_the_passage_is_not_supported() {
        let mut passage = hit("p1", "Delivery takes 4 business days and costs €4.90.", 0.9, 0.5);
        passage.passage.language = Some(Language::En);
        let text = "Delivery takes 4 business days. It is free. Feel free to contact us.";
        let found = measure("how long?", Language::En, &draft(text), &[passage]);
        let supports: Vec<f64> = found.sentences.iter().map(|sentence| sentence.support).collect();
        assert!(supports[0] > 0.9 && supports[1] < 0.1 && supports[2] > 0.9, "{supports:?}");
    }

    #[test]
    fn a_turned_statement_is_noticed() {
        let same = grounding("Não entregamos aos domingos.");
        assert!(
            (same.negation - 1.0).abs() < f64::EPSILON && same.sentences[0].unsupported.is_empty(),
            "{same:?}"
        );
        let affirmed = grounding("Chegamos aos domingos com a entrega.");
        assert_eq!(
            (affirmed.turned, &affirmed.sentences[0].unsupported[..]),
            (1, &["domingos".to_owned()][..])
        );
        let denied = grounding("A entrega padrão no Brasil não custa R$ 19,90.");
        assert_eq!((denied.turned, denied.negation), (1, 0.0), "{denied:?}");
    }

    #[test]
    fn an_opposite_and_a_strange_name_are_counted() {
        let found = grounding("Acima de R$ 250 a entrega é paga. Fale com o Tobias.");
        assert_eq!((found.opposites, found.strange_names, found.strange_figures), (1, 1, 0), "{found:?}");
        assert_eq!(found.sentences[0].unsupported, ["paga"]);
        assert!(found.words_in_sources < 1.0, "{found:?}");
        assert!((grounding("A entrega custa R$ 19,90.").words_in_sources - 1.0).abs() < 1e-9);
    }
}
