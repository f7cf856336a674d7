//! A promise of money, of a delivery, of a legal effect, or of something done, that no cited passage makes. Whoever
//! reads it will hold the company to it.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use super::phrases::{Lexicon, Phrases};
use super::{Finding, PolicyInput};
use crate::conversation::Language;
use crate::retrieval::Passage;
use crate::text::{Keys, fold, sentences, words};

/// Share of a promise's words that a passage has to hold.
const HELD: f64 = 0.6;
/// From this share on the passage says the same in the same words.
const VERBATIM: f64 = 0.9;

/// What is promised, and the beginnings of words without which a passage is not about it.
struct Promise {
    name: &'static str,
    phrases: LazyLock<Phrases>,
    about: &'static [&'static str],
}

static PROMISES: [Promise; 4] = [
    Promise {
        name: "money",
        phrases: LazyLock::new(money),
        about: &[
            "refund", "reimburs", "compens", "credit", "discount", "voucher", "free", "cost", "charge",
            "reembols", "devol", "devuel", "estorn", "descont", "descuent", "gratui", "gratis", "custo",
            "rimbors", "risarc", "scont", "buon", "costi", "spese", "indemn", "indenn", "bonific", "abon",
            "vale",
        ],
    },
    Promise {
        name: "a delivery",
        phrases: LazyLock::new(delivery),
        about: &[
            "deliver", "arriv", "ship", "dispatch", "receiv", "entreg", "cheg", "receb", "envi", "conseg",
            "sped", "ricev", "lleg", "recib", "llev", "reparto", "tomorrow", "amanha", "domani", "manana",
        ],
    },
    Promise {
        name: "a legal effect",
        phrases: LazyLock::new(legal),
        about: &[
            "guarant",
            "warrant",
            "liab",
            "responsib",
            "entitle",
            "right",
            "legal",
            "law",
            "promis",
            "garant",
            "responsab",
            "direit",
            "diritt",
            "derech",
            "promet",
            "legge",
            "lei",
            "ley",
            "commit",
        ],
    },
    // Nothing that the company's documents say was done in this conversation.
    Promise { name: "something done", phrases: LazyLock::new(done), about: &[] },
];

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
        unsupported.extend(
            PROMISES
                .iter()
                .filter(|promise| promise.phrases.found(sentence))
                .filter(|promise| !passages.iter().any(|passage| passage.makes(promise, &keys)))
                .map(|promise| promise.name),
        );
    }
    unsupported.dedup();
    if unsupported.is_empty() {
        Finding::pass()
    } else {
        Finding::draft(format!("The draft promises {}, and no passage does.", unsupported.join(" and ")))
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
        let about = self.words.iter().any(|word| promise.about.iter().any(|start| word.starts_with(start)));
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
    for promise in &PROMISES {
        LazyLock::force(&promise.phrases);
    }
}

fn lexicons(patterns: &[&'static [&'static str]]) -> Phrases {
    let lexicons: Vec<Lexicon> = patterns.iter().map(|patterns| Lexicon { words: &[], patterns }).collect();
    Phrases::new(&lexicons)
}

fn money() -> Phrases {
    lexicons(&[
        &[
            "(?:we|i|they|our team)(?: will| ll| can| shall| would| are going to| am going to)<2>(?:refund|reimburse|compensate|credit|waive|pay (?:you|for))",
            "(?:we|i)(?: will| ll| can| shall| would)<1>(?:give|offer|send) you<3>(?:refund|discount|voucher|credit|compensation)",
            "you (?:will|ll|are going to|should|can expect to)<2>(?:get|receive|be given|be refunded|be reimbursed|be compensated|be credited)<5>(?:refund\\w*|money|compensat\\w+|voucher|discount|credit|reimburs\\w+|back|$)",
            "you will be (?:fully )?(?:refunded|reimbursed|compensated|credited)|(?:full|complete|immediate) refund|money back|free of charge|at no (?:extra |additional )?cost|refund (?:will be|is) (?:issued|processed|made|paid)",
        ],
        &[
            "(?:vamos|iremos|vou|podemos|posso|podemos te|vamos te|vamos lhe)<1>(?:reembols\\w+|devolver|compensar|estornar|ressarcir|creditar|dar<1>desconto|oferecer<2>desconto|fazer o (?:reembolso|estorno))",
            "reembolsaremos|devolveremos|estornaremos|compensaremos|ressarciremos|creditaremos|daremos<2>(?:desconto|vale|credito)",
            "(?:vai|ira|vais|iras) (?:receber|ser reembolsad[oa])<5>(?:reembolso|dinheiro|estorno|desconto|credito|volta|$)|recebera[s]?<4>(?:reembolso|dinheiro|estorno|desconto|credito)|sera (?:reembolsad[oa]|ressarcid[oa]|estornad[oa]|creditad[oa])",
            "reembolso (?:total|integral|imediato|completo)|dinheiro de volta|sem (?:nenhum )?custos?(?: adicional| adicionais)?|gratuitamente|de graca",
        ],
        &[
            "(?:(?:ti|le|vi|la|lo) )?(?:rimborseremo|rimborsiamo|rimborsero|restituiremo|accrediteremo|risarciremo|compenseremo|indennizzeremo)",
            "(?:possiamo|posso|faremo|faro|potremo)<2>(?:rimborsar\\w*|risarcir\\w*|scontar\\w*|sconto|accreditar\\w*|rimborso)",
            "(?:ricever(?:ai|a|ete)|avr(?:ai|a|ete)|otterr(?:ai|a|ete))<4>(?:rimborso|risarcimento|sconto|accredito|buono|soldi|denaro)|verr(?:ai|a) (?:rimborsat|risarcit|accreditat)[oa]|sar(?:ai|a) (?:rimborsat|risarcit|accreditat)[oa]",
            "rimborso (?:completo|totale|integrale|immediato)|senza (?:alcun )?(?:costo|costi|spese)|gratuitamente|soldi indietro",
        ],
        &[
            "(?:(?:te|le|os|les|lo) )?(?:reembolsaremos|devolveremos|compensaremos|abonaremos|indemnizaremos|reintegraremos)",
            "(?:vamos a|voy a|podemos|puedo)<1>(?:reembols\\w+|devolver\\w*|compensar\\w*|abonar\\w*|indemnizar\\w*|hacer\\w*<2>(?:descuento|reembolso)|ofrecer\\w*<2>descuento)",
            "(?:recibir(?:as|a|eis|an)|obtendr(?:as|a)|vas a recibir|va a recibir)<4>(?:reembolso|dinero|descuento|abono|compensacion|vale)|ser(?:a|as) (?:reembolsad|compensad|abonad|indemnizad)[oa]|se (?:te|le) (?:reembolsara|devolvera|abonara|compensara)",
            "reembolso (?:total|integro|completo|inmediato)|dinero de vuelta|sin (?:ningun )?(?:costes?|costos?)(?: adicional\\w*)?|gratuitamente",
        ],
    ])
}

fn delivery() -> Phrases {
    lexicons(&[
        &[
            "(?:it|order|parcel|package|item|items|delivery|replacement|product)<2>(?:will|ll|should|is going to|is due to)<2>(?:arrive|be delivered|reach you|be with you|be there|ship|be shipped|be dispatched|get to you)",
            "(?:arrives?|arriving|delivered|be there|with you)<3>(?:today|tomorrow|tonight|this (?:morning|afternoon|evening)|(?:on )?(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday))",
            "(?:you will|you ll|you should) (?:receive|get|have) (?:it|them|your)<3>(?:$|today|tomorrow|by|within|in|on|before|order|parcel|package)|(?:we|i)(?: will| ll) (?:deliver|ship|dispatch|send)",
        ],
        &[
            "(?:vai|ira|deve|devera) (?:chegar|ser entregue|ser enviad[oa])|chegara|sera (?:entregue|enviad[oa]|despachad[oa])|(?:chega|entregue|entregamos|recebe)<3>(?:hoje|amanha|ate (?:segunda|terca|quarta|quinta|sexta|sabado|domingo)|na (?:segunda|terca|quarta|quinta|sexta))",
            "(?:recebera|receberas|vai receber|vais receber)<2>(?:pedido|encomenda|pacote|produto|hoje|amanha)|(?:entregaremos|enviaremos|despacharemos|vamos (?:entregar|enviar|despachar))",
        ],
        &[
            "arrivera|(?:verra|sara) (?:consegnat|spedit|recapitat)[oa]|(?:arriva|consegnat[oa]|ricevi)<3>(?:oggi|domani|stasera|dopodomani|entro (?:lunedi|martedi|mercoledi|giovedi|venerdi|sabato|domenica))",
            "ricever(?:ai|a|ete)<2>(?:ordine|pacco|prodotto|oggi|domani)|(?:consegneremo|spediremo|invieremo|manderemo)",
        ],
        &[
            "(?:va a|debe|deberia) (?:llegar|ser entregad[oa]|ser enviad[oa])|llegara(?:n)?|(?:sera|se) (?:entregad[oa]|enviad[oa]|entregara|enviara)|(?:llega|entrega(?:mos|do|da)?|recibe(?:s)?)<3>(?:hoy|manana|esta (?:tarde|noche)|el (?:lunes|martes|miercoles|jueves|viernes|sabado|domingo))",
            "(?:recibiras|recibira|vas a recibir|va a recibir)<2>(?:pedido|paquete|producto|hoy|manana)|(?:entregaremos|enviaremos|despacharemos|vamos a (?:entregar|enviar|despachar))",
        ],
    ])
}

fn legal() -> Phrases {
    lexicons(&[
        &[
            "(?:we|i)<1>(?:guarantee|promise|assure you|warrant|undertake)|(?:is|are|fully|100) guaranteed|you have (?:my|our) word",
            "we (?:are|accept|take|assume|admit)<2>(?:liable|liability|responsible|responsibility|fault)|you (?:are|re) (?:legally )?entitled to|you have (?:the|a) (?:legal |statutory )?right|(?:by|under the) law|legally binding",
        ],
        &[
            "(?:garantimos|garanto|prometemos|prometo|asseguramos|asseguro)|(?:esta|e|sao) garantid[oa]s?|(?:tem|dou|damos)<1>(?:minha|nossa) palavra",
            "(?:assumimos|somos|assumo|admitimos)<2>(?:responsabilidade|responsaveis|responsavel|culpa)|(?:voce|o senhor|a senhora)? ?tem<1>direito|tens direito|por lei|legalmente",
        ],
        &[
            "(?:garantiamo|garantisco|promettiamo|prometto|assicuriamo|assicuro)|(?:e|sono) garantit[oaie]|(?:hai|ha|avete) la (?:mia|nostra) parola",
            "(?:ci assumiamo|siamo|mi assumo|ammettiamo)<2>(?:responsabilita|responsabili|colpa)|(?:hai|ha|avete)<1>diritto|per legge|legalmente",
        ],
        &[
            "(?:garantizamos|garantizo|prometemos|prometo|aseguramos|te aseguro|le aseguro)|(?:esta|estan) garantizad[oa]s?|(?:tienes|tiene) (?:mi|nuestra) palabra",
            "(?:asumimos|somos|asumo|admitimos)<2>(?:responsabilidad|responsables|responsable|culpa)|(?:tienes|tiene|teneis)<1>derecho|por ley|legalmente",
        ],
    ])
}

fn done() -> Phrases {
    lexicons(&[
        &[
            "(?:i|we) (?:have|ve|just|have just|have already|ve already|already)<1>(?:cancelled|canceled|refunded|changed|updated|processed|issued|applied|sent|shipped|opened|registered|escalated|forwarded|deleted|booked|reserved|confirmed|activated|checked)",
        ],
        &[
            "(?:ja )?(?:cancelei|cancelamos|reembolsei|reembolsamos|alterei|alteramos|atualizei|atualizamos|registrei|registei|abri|abrimos|encaminhei|encaminhamos|enviei|apliquei|aplicamos|estornei|estornamos|reservei|confirmei|verifiquei|exclui)<2>(?:seu|sua|teu|tua|o|a|um|uma|para|no|na)",
        ],
        &[
            "(?:ho|abbiamo)<1>(?:annullato|cancellato|rimborsato|modificato|aggiornato|registrato|aperto|inoltrato|inviato|spedito|applicato|prenotato|confermato|attivato|verificato|eliminato|controllato)",
        ],
        &[
            "(?:he|hemos|ya)<1>(?:cancelado|anulado|reembolsado|cambiado|modificado|actualizado|registrado|abierto|reenviado|enviado|aplicado|reservado|confirmado|activado|comprobado|verificado|eliminado)|(?:cancele|anule|reembolse|actualice|registre) (?:su|tu|el|la)",
        ],
    ])
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
        ] {
            assert_eq!(verdict(language, "30", text), Verdict::Pass, "{text}");
        }
    }

    #[test]
    fn a_promise_is_about_its_own_matter() {
        // The words are there, but what they say of a refund is nothing.
        let passage = "We will check your parcel tomorrow.";
        assert_eq!(verdict(Language::En, passage, "We will refund your parcel tomorrow."), Verdict::Draft);
    }
}
