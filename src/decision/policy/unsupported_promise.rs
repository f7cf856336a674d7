//! A promise of money, of a delivery, of a legal effect, or of something done, that no cited passage makes. Whoever
//! reads it will hold the company to it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::{Finding, PolicyInput};
use crate::conversation::Language;
use crate::decision::Evidence;
use crate::retrieval::Passage;
use crate::text::{Keys, fold, sentences, words};
use crate::understanding::phrases::{Lexicon, Phrases, normalise};

/// Share of a promise's words that a passage has to hold.
const HELD: f64 = 0.6;
/// From this share on the passage says the same in the same words.
const VERBATIM: f64 = 0.9;

/// The promises that are looked for.
static PROMISES: LazyLock<Vec<Promise>> = LazyLock::new(|| {
    let file: File =
        toml::from_str(include_str!("unsupported_promise.toml")).expect("the built-in promises are read");
    file.promise.into_iter().map(Promise::of).collect()
});

/// The Spanish *sí*, which without its accent would be *if*.
static YES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\bsí\b|\bsi\s*[,.:;]").expect("a constant pattern compiles"));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    promise: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    about: Vec<String>,
    patterns: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    #[serde(default)]
    words: BTreeMap<String, String>,
}

/// What is promised, and the beginnings of words without which a passage is not about it.
struct Promise {
    name: String,
    about: Vec<String>,
    phrases: Phrases,
    /// What promises nothing although one of the phrases is in it.
    unless: Phrases,
}

impl Promise {
    fn of(Entry { name, about, patterns, unless, words }: Entry) -> Self {
        let phrases =
            |patterns| Phrases::new([&Lexicon { patterns, words: words.clone(), ..Lexicon::default() }]);
        Self { name, about, phrases: phrases(patterns), unless: phrases(unless) }
    }

    /// Whether a sentence makes it, by its normalised clauses and as a whole. A condition ends with its clause: *after
    /// checking, your order has been cancelled* says that it was.
    fn is_made(&self, sentence: &str, clauses: &[String]) -> bool {
        let said = || clauses.iter().map(|clause| self.unless.without(clause)).collect::<Vec<_>>().join(" ");
        self.phrases.found(sentence) && self.phrases.found(&said())
    }
}

/// Holds a draft with a promise of the assistant's own.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let Some(draft) = input.draft else { return Finding::pass() };
    let cited: HashSet<&str> = draft.citations.iter().map(|citation| citation.passage_id.as_str()).collect();
    let passages: Vec<Source> = input
        .retrieved
        .iter()
        .filter(|hit| cited.contains(hit.passage.id.as_str()))
        .map(|hit| Source::of(&hit.passage, draft.language))
        .collect();
    let keys = Keys::of(draft.language.code());
    let mut unsupported: Vec<&str> = Vec::new();
    for span in sentences(&draft.text) {
        let sentence = &draft.text[span];
        let keys = keys.all(sentence);
        let clauses: Vec<String> =
            YES.replace_all(sentence, " ").split([',', ';', ':']).map(normalise).collect();
        let normal = clauses.join(" ");
        unsupported.extend(
            PROMISES
                .iter()
                .filter(|promise| promise.is_made(&normal, &clauses))
                .filter(|promise| !passages.iter().any(|passage| passage.makes(promise, &keys)))
                .map(|promise| promise.name.as_str()),
        );
    }
    let mut named = HashSet::new();
    unsupported.retain(|promise| named.insert(*promise));
    if unsupported.is_empty() {
        Finding::pass()
    } else {
        Finding::draft(format!("The draft promises {}, and no passage does.", unsupported.join(" and ")))
            .with(unsupported.into_iter().map(|name| Evidence::measured("promise", name)))
    }
}

/// A cited passage.
struct Source {
    /// Keys of its words, in the language of the draft.
    keys: BTreeSet<String>,
    /// Its words, folded.
    words: Vec<String>,
    /// It is written in another language than the draft: its words cannot be compared.
    foreign: bool,
}

impl Source {
    fn of(passage: &Passage, language: Language) -> Self {
        let text = passage.indexed_text();
        Self {
            keys: Keys::of(language.code()).all(&text).into_iter().collect(),
            words: words(&text).map(fold).collect(),
            foreign: passage.language.is_some_and(|own| own != language),
        }
    }

    /// Whether the passage is about what is promised, and says what the sentence says.
    fn makes(&self, promise: &Promise, sentence: &[String]) -> bool {
        let about =
            self.words.iter().any(|word| promise.about.iter().any(|start| word.starts_with(start.as_str())));
        if self.foreign {
            return about;
        }
        let held = sentence.iter().filter(|key| self.keys.contains(*key)).count();
        let share = held as f64 / sentence.len().max(1) as f64;
        share >= VERBATIM || about && share >= HELD
    }
}

/// Compiles every pattern.
pub(super) fn warm_up() {
    LazyLock::force(&PROMISES);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft, hit};
    use super::check;
    use crate::conversation::Language;
    use crate::decision::Verdict;

    fn verdict(language: Language, passage: &str, text: &str) -> Verdict {
        let mut case = Case::asking("question");
        let mut hit = hit("p1", passage, 0.9, 0.5);
        hit.passage.language = Some(language);
        case.retrieved = vec![hit];
        let mut draft = draft(text);
        draft.language = language;
        case.draft = Some(draft);
        check(&case.input()).verdict
    }

    const ABOUT: [(Language, &str); 4] = [
        (Language::En, "Standard delivery takes 4 business days. Returns are possible within 30 days."),
        (Language::Pt, "A entrega padrão leva 5 dias úteis. Trocas são possíveis em até 30 dias."),
        (
            Language::It,
            "La consegna standard richiede 3 giorni lavorativi. I resi sono possibili entro 30 giorni.",
        ),
        (
            Language::Es,
            "La entrega estándar tarda 4 días laborables. Se puede cambiar en un plazo de 30 días.",
        ),
    ];

    #[test]
    fn a_promise_that_no_passage_makes_holds_the_draft() {
        let promises: [&[&str]; 4] = [
            &[
                "We will refund you.",
                "You'll receive a full refund and a voucher.",
                "Sorry! We can give you a 20% discount.",
                "Your parcel will arrive tomorrow.",
                "It should be delivered on Friday.",
                "We guarantee that it works.",
                "You are legally entitled to a new one.",
                "We take full responsibility for the damage.",
                "I have cancelled your order.",
                "I've just processed the change for you.",
                "Your order has been cancelled.",
                "Your refund has already been issued.",
                "Good news: your subscription was successfully renewed.",
                "If your order has been paid, your refund has been issued.",
                "The order has been shipped.",
                "We confirm that your order has been cancelled.",
                "Good day, your refund has been issued.",
                "Good day your refund has been issued.",
                "Thank you for your time, your order has been cancelled.",
                "After checking, your order has been cancelled.",
                "The date of your order has been changed.",
            ],
            &[
                "Vamos reembolsar o valor pago.",
                "Você vai receber seu dinheiro de volta.",
                "Podemos oferecer um desconto.",
                "Seu pacote vai chegar amanhã.",
                "O pedido será entregue na sexta.",
                "Garantimos que funciona.",
                "Você tem direito a um produto novo.",
                "Assumimos a responsabilidade pelo dano.",
                "Já cancelei o seu pedido.",
                "Registrei a sua reclamação.",
                "Seu pedido foi cancelado.",
                "O seu reembolso já foi processado.",
                "A sua assinatura está cancelada.",
                "Foi aberta a sua reclamação.",
                "O pedido foi enviado.",
                "Informamos que o seu pedido foi cancelado.",
                "Bom dia, o seu pedido foi cancelado.",
                "Bom dia o seu pedido foi cancelado.",
                "Não sei se ajuda, o pedido foi cancelado.",
            ],
            &[
                "Ti rimborseremo l'importo.",
                "Riceverai un buono sconto.",
                "Il pacco arriverà domani.",
                "L'ordine verrà consegnato venerdì.",
                "Garantiamo che funziona.",
                "Hai diritto a un prodotto nuovo.",
                "Ci assumiamo la responsabilità del danno.",
                "Ho annullato il tuo ordine.",
                "Abbiamo già inoltrato la richiesta.",
                "Il tuo ordine è stato annullato.",
                "Il suo rimborso è già stato emesso.",
                "È stata registrata la tua richiesta.",
                "L'ordine è stato spedito.",
                "Ti confermiamo che il tuo ordine è stato annullato.",
                "Buon giorno, il tuo ordine è stato annullato.",
                "La data del tuo appuntamento è stata spostata.",
            ],
            &[
                "Le reembolsaremos el importe.",
                "Vas a recibir un reembolso íntegro.",
                "Podemos hacerte un descuento.",
                "El paquete llegará mañana.",
                "Su pedido será entregado el viernes.",
                "Garantizamos que funciona.",
                "Tienes derecho a un producto nuevo.",
                "Asumimos la responsabilidad del daño.",
                "He cancelado tu pedido.",
                "Ya hemos registrado la queja.",
                "Tu pedido ha sido cancelado.",
                "Su reembolso ya fue procesado.",
                "Se ha anulado tu suscripción.",
                "Tu reserva queda confirmada.",
                "El pedido ha sido enviado.",
                "Sí, tu pedido ha sido cancelado.",
                "Buen día, su pedido ha sido cancelado.",
                "La fecha de tu cita ha sido cambiada.",
            ],
        ];
        for ((language, passage), promises) in ABOUT.iter().zip(promises) {
            for promise in promises {
                assert_eq!(verdict(*language, passage, promise), Verdict::Draft, "{promise}");
            }
        }
    }

    #[test]
    fn what_a_passage_promises_may_be_said() {
        for (language, passage, text) in [
            (
                Language::En,
                "If a kettle breaks within a year, we refund you the full price.",
                "We will refund you the full price if the kettle breaks within a year.",
            ),
            (
                Language::En,
                "Every coffee maker has a 2-year guarantee. We guarantee spare parts for 5 years.",
                "We guarantee spare parts for 5 years.",
            ),
            (
                Language::En,
                "Orders placed before noon will arrive tomorrow.",
                "Orders placed before noon will arrive tomorrow.",
            ),
            (
                Language::En,
                "We write to you: your order has been shipped, with a number to track it.",
                "Your order has been shipped, we write to you, with a number to track it.",
            ),
            (
                Language::Pt,
                "Reembolsamos o valor em até 10 dias após a devolução.",
                "Reembolsaremos o valor em até 10 dias após a devolução.",
            ),
            (
                Language::It,
                "Rimborsiamo l'importo entro 14 giorni dal reso.",
                "Rimborseremo l'importo entro 14 giorni dal reso.",
            ),
            (
                Language::Es,
                "Devolvemos el importe en 14 días desde la devolución.",
                "Devolveremos el importe en 14 días desde la devolución.",
            ),
        ] {
            assert_eq!(verdict(language, passage, text), Verdict::Pass, "{text}");
        }
    }

    #[test]
    fn what_promises_nothing_passes() {
        for (language, passage) in ABOUT {
            assert_eq!(verdict(language, passage, passage), Verdict::Pass, "{passage}");
        }
        for (language, text) in [
            (Language::En, "You can return it within 30 days. Please write to us first."),
            (Language::Pt, "Você pode trocar em até 30 dias. Escreva para nós antes."),
            (Language::It, "Puoi restituirlo entro 30 giorni. Scrivici prima."),
            (Language::Es, "Puedes cambiarlo en un plazo de 30 días. Escríbenos antes."),
            (Language::En, "Orders that have been shipped cannot be changed."),
            (Language::En, "Once your order has been shipped, it cannot be changed, only returned."),
            (Language::En, "Has the parcel been damaged? Your order can be cancelled within 2 hours."),
            (Language::En, "You have 30 days from the day your order was delivered."),
            (Language::Pt, "São 30 dias da data em que o pedido foi entregue."),
            (Language::It, "Hai 30 giorni dal giorno in cui l'ordine è stato consegnato."),
            (Language::Es, "Tienes 30 días desde que el pedido fue entregado."),
            (Language::Pt, "Pedidos que foram enviados não podem ser alterados."),
            (Language::Pt, "Se o seu pedido já foi enviado, não pode ser alterado."),
            (Language::It, "Gli ordini che sono stati spediti non si possono modificare."),
            (Language::It, "Se il tuo ordine è già stato spedito, non si può modificare."),
            (Language::Es, "Los pedidos que han sido enviados no se pueden modificar."),
            (Language::Es, "Si tu pedido ya ha sido enviado, no se puede modificar."),
        ] {
            assert_eq!(verdict(language, "30", text), Verdict::Pass, "{text}");
        }
    }

    #[test]
    fn a_promise_that_is_made_twice_is_named_once() {
        let mut case = Case::asking("question");
        case.draft =
            Some(draft("We will refund you. It should be delivered on Friday. We will refund you the rest."));
        let detail = check(&case.input()).detail.unwrap();
        assert_eq!(detail, "The draft promises money and a delivery, and no passage does.");
    }

    #[test]
    fn a_promise_is_about_its_own_matter() {
        // The words are there, but what they say of a refund is nothing.
        let passage = "We will check your parcel tomorrow.";
        assert_eq!(verdict(Language::En, passage, "We will refund your parcel tomorrow."), Verdict::Draft);
    }
}
