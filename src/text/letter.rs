//! What a person wrote in an e-mail: without the letters it answers, the signature, and the lawyers' paragraph.
//!
//! Line by line and by the words that mail programs put in, in four languages. Where nothing would be left, or a line could
//! be the person's own, it stays: a question that was cut away is worse than a signature that was read.

use std::sync::LazyLock;

use regex::Regex;

/// `On Monday … Ana wrote:`, which programs may break over several lines; in Portugal also `Ana <…> escreveu (…):`.
static INTRODUCTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?is)^(?:(?:on|em|no dia|a|[àa]s|il giorno|il|el|le)\b.{4,300}?\b(?:wrote|escreveu|ha scritto|escribi[óo])|[^<>\n]{1,100}<[^<>\s]+@[^<>\s]+>\s+escreveu\b.{4,80})\s*:\s*$",
    )
});
/// What programs put into it, and persons who tell what somebody wrote do not: an address, a time of day, or a date with its
/// year.
static STAMP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\S@\S|\b\d{1,2}[:h.]\d{2}\b|\b(?:19|20)\d{2}\b|\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2}\b")
});
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\S@\S"));
static TIME: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b\d{1,2}[:h]\d{2}\b"));
static DATE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:19|20)\d{2}\b|\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2}\b"));
/// Lines between an introduction's first and last.
const INTRODUCTION_LINES: usize = 4;

/// A line above a letter that was forwarded or answered.
static ORIGINAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\W{2,}\s*(?:original message|forwarded message|begin forwarded message|mensagem original|mensagem encaminhada|messaggio originale|messaggio inoltrato|inizio messaggio inoltrato|mensaje original|mensaje reenviado)\b.*$",
    )
});
static FROM: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^\*?(?:from|de|da)\s?:\*?\s?.*\S"));
static SENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^\*?(?:sent|date|enviad[oa](?: em| el)?|inviato|data|fecha)\s?:\*?\s?.*\d")
});
/// Lines between the sender and the date in the head of a letter.
const HEAD_LINES: usize = 3;

/// What telephones and programs add.
static ADDED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:sent from (?:my |outlook|mail|yahoo)|get outlook for|sent with|enviad[oa] (?:d[eoa]|desde|pelo|a partir d[eoa])\s(?:meu|minha|mi|o|outlook|mail|yahoo|gmail|telem[óo]vel|iphone)|obter o? ?outlook|obtener outlook|inviato (?:da|dal|con)\s(?:il mio|mio|iphone|outlook|mail|yahoo|gmail|smartphone|tiscali)|scarica outlook|ottieni outlook)",
    )
});
/// The line of its own that ends a letter.
static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:(?:best|kind|warm|many)\s(?:regards|wishes|thanks)|regards|cheers|sincerely|yours (?:sincerely|faithfully|truly)|thanks(?: and regards| in advance)?|thank you|atenciosamente|att\.?|abra[çc]os?|cumprimentos|(?:com os )?(?:melhores|os meus) cumprimentos|cordialmente|obrigad[oa]|(?:cordiali|distinti|cari|un cordiale) salut[io]|saluti|grazie(?: mille)?|cordialmente|(?:un )?(?:cordial |atento )?saludos?(?: cordiales)?|atentamente|gracias|un abrazo)\s*[,.!]?$",
    )
});
/// A signature under the closing has at most so many lines of so many characters.
const SIGNATURE_LINES: usize = 8;
const SIGNATURE_CHARS: usize = 70;
/// Longest last word of a signature's line before a stop.
const ABBREVIATION_CHARS: usize = 7;
/// Words in lower case within names, titles and addresses.
const JOINING: [&str; 26] = [
    "e", "de", "da", "do", "das", "dos", "di", "del", "della", "dello", "dei", "degli", "la", "el", "los",
    "las", "y", "of", "the", "and", "for", "van", "von", "den", "der", "tel.",
];

/// The number of an order on a line of its own.
static ORDER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^(?:(?:pedido|order|ordine|encomenda|orden)\b|(?:n[.ºo°]{1,2}|#)\s?\d)"));

/// The paragraph that says for whom a letter is.
static CONFIDENTIAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\W*(?:confidential|confidencial|aviso (?:legal|de confidencialidade)|avvertenz|informativa|disclaimer|(?:this|the) (?:e-?mail|message|communication)|(?:esta|este) (?:mensagem|e-?mail|mensaje|correo)|questa? (?:e-?mail|messaggio)|il presente messaggio|le informazioni contenute).{0,300}(?:confiden|riservat|privileg|destinat[aá]r)",
    )
});

fn pattern(source: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants and a test compiles every one")]
    Regex::new(source).expect("a constant pattern compiles")
}

/// The person's own words. What only `matters` tells from a signature stays.
pub fn own_words(letter: &str, matters: impl Fn(&str) -> bool) -> String {
    let lines: Vec<&str> = letter.lines().map(str::trim_end).collect();
    let mut own: Vec<&str> = Vec::new();
    // Something behind what may be another letter's head matters.
    let mut told = false;
    let mut place = 0;
    while place < lines.len() {
        if let Some(head) = head_of_another(&lines, place) {
            // What is marked as quoted may stand above the answer; what is not goes to the end.
            let rest = &lines[head.after..];
            if rest.iter().find(|line| !line.is_empty()).is_some_and(|line| is_quoted(line)) {
                place = head.after;
                continue;
            }
            let goes = match head.by {
                By::Program => true,
                By::Likely => !told && !matters(&rest.join("\n")),
                By::Anybody => false,
            };
            if goes {
                break;
            }
            told |= head.by == By::Likely;
        }
        if !is_quoted(lines[place]) {
            own.push(lines[place]);
        }
        place += 1;
    }
    let kept = without_signature(&own, &matters);
    let text = kept.join("\n").trim().to_owned();
    if text.chars().any(char::is_alphanumeric) { text } else { letter.trim().to_owned() }
}

fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with(['>', '|']) && !line.trim_start().starts_with("||")
}

/// The head of another letter.
struct Head {
    /// The line after it.
    after: usize,
    by: By,
}

/// Who may have written the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// A program alone.
    Program,
    /// A program, which gives the time with the date; hardly a person.
    Likely,
    /// A person too, who tells what somebody wrote: only marks of quoting show where that ends.
    Anybody,
}

/// The head of another letter, where one begins here.
fn head_of_another(lines: &[&str], place: usize) -> Option<Head> {
    let by_program = |after: usize| Head { after, by: By::Program };
    let line = lines[place].trim();
    if ORIGINAL.is_match(line) {
        return Some(by_program(place + 1));
    }
    if FROM.is_match(line)
        && let Some(sent) =
            lines[place + 1..].iter().take(HEAD_LINES).position(|line| SENT.is_match(line.trim()))
    {
        return Some(by_program(place + 2 + sent));
    }
    // `________` of Outlook stands before a head.
    if line.len() >= 10 && line.chars().all(|c| c == '_') {
        let next = lines[place + 1..].iter().position(|line| !line.trim().is_empty())? + place + 1;
        return FROM.is_match(lines[next].trim()).then(|| by_program(next + 1));
    }
    (1..=INTRODUCTION_LINES).filter(|count| place + count <= lines.len()).find_map(|count| {
        let block = &lines[place..place + count];
        // A line of the person's own may stand right above it.
        let later = (1..count).any(|own| introduces(&block[own..]).is_some());
        introduces(block).filter(|_| !later).map(|by| Head { after: place + count, by })
    })
}

/// Whether lines say who wrote what follows, and when; and who may have written them.
fn introduces(lines: &[&str]) -> Option<By> {
    let whole = lines.iter().map(|line| line.trim()).collect::<Vec<_>>();
    let blank = whole.iter().any(|line| line.is_empty());
    let whole = whole.join("\n");
    (!blank && INTRODUCTION.is_match(&whole) && STAMP.is_match(&whole)).then(|| {
        if ADDRESS.is_match(&whole) {
            By::Program
        } else if TIME.is_match(&whole) && DATE.is_match(&whole) {
            By::Likely
        } else {
            By::Anybody
        }
    })
}

fn without_signature<'a>(lines: &[&'a str], matters: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let end = lines
        .iter()
        .enumerate()
        .position(|(place, line)| {
            let line = line.trim();
            let mark = matches!(line, "--" | "—" | "__");
            let closes = || signature(lines, place).is_some_and(|signature| !matters(&signature));
            place > 0 && (mark || ADDED.is_match(line) || CONFIDENTIAL.is_match(line) || closes())
        })
        .unwrap_or(lines.len());
    lines[..end].to_vec()
}

/// The signature, where a letter ends here: with a formula on a line of its own, and nothing else behind it.
fn signature(lines: &[&str], place: usize) -> Option<String> {
    if !CLOSING.is_match(lines[place].trim()) {
        return None;
    }
    let added = |line: &&str| CONFIDENTIAL.is_match(line) || ADDED.is_match(line) || *line == "--";
    let rest = lines[place + 1..].iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    // One line more than a signature has tells that this is none.
    let rest: Vec<&str> = rest.take_while(|line| !added(line)).take(SIGNATURE_LINES + 1).collect();
    (rest.len() <= SIGNATURE_LINES && rest.iter().all(|line| signs(line))).then(|| rest.join("\n"))
}

/// Whether a line could stand in a signature: names, titles, addresses and numbers. A sentence has words in lower case, a stop,
/// or more words in capitals than a name with a title; and the number of an order is none of a person's.
fn signs(line: &str) -> bool {
    let of_names = |word: &str| {
        let first = word.chars().find(|c| c.is_alphanumeric() || *c == '@');
        let address = word.contains('@') || word.contains("www.") || word.contains("://");
        address || first.is_none_or(|first| !first.is_lowercase()) || JOINING.contains(&word)
    };
    let stops = line.ends_with(['?', '!', '…', ':', ';', ',']) || line.ends_with('.') && !abbreviated(line);
    line.chars().count() <= SIGNATURE_CHARS
        && !stops
        && !shouts(line)
        && !ORDER.is_match(line)
        && line.split_whitespace().all(of_names)
}

/// Three words or more, in capitals alone.
fn shouts(line: &str) -> bool {
    let words = line.split_whitespace().filter(|word| word.contains(char::is_alphabetic));
    !line.contains(char::is_lowercase) && words.count() >= 3
}

/// `Things Ltd.`, or a name with a stop.
fn abbreviated(line: &str) -> bool {
    let last = line.split_whitespace().next_back().unwrap_or_default();
    last.starts_with(char::is_uppercase) && last.chars().count() <= ABBREVIATION_CHARS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letters_that_are_answered_go() {
        for letter in [
            "Where is it?\n\nOn Mon, 3 Nov 2026 at 10:12, Shop <help@shop.example> wrote:\n> Dear Ana,\n> your parcel …",
            "Where is it?\n\nOn Mon, 3 Nov 2026 at 10:12,\nShop Team <help@shop.example>\nwrote:\n\nDear Ana,\nyour parcel is on its way.",
            "Where is it?\n\n-----Original Message-----\nFrom: Shop\nDear Ana",
            "Where is it?\n\n________________________________\nFrom: Shop <help@shop.example>\nSent: Monday, 3 November 2026 10:12\nTo: Ana\nSubject: Parcel\n\nDear Ana",
            "Where is it?\n\nEm seg., 3 de nov. de 2026 às 10:12, Loja <ajuda@loja.example> escreveu:\n\n> Olá",
            "Where is it?\n\nDe: Loja\nEnviada em: segunda-feira, 3 de novembro de 2026 10:12\nPara: Ana\n\nOlá",
            "Where is it?\n\nIl giorno lun 3 nov 2026 alle ore 10:12 Negozio <aiuto@negozio.example> ha scritto:\n\nGentile Ana",
            "Where is it?\n\nDa: Negozio\nInviato: lunedì 3 novembre 2026 10:12\nA: Ana\n\nGentile Ana",
            "Where is it?\n\nEl lun, 3 nov 2026 a las 10:12, Tienda (<ayuda@tienda.example>) escribió:\n\n> Hola",
            "Where is it?\n\n---------- Mensaje reenviado ---------\nDe: Tienda\n\nHola",
            // Gmail.
            "Where is it?\n\nOn Mon, Nov 3, 2026 at 10:12\u{202f}AM Shop <help@shop.example> wrote:\n\nDear Ana",
            "Where is it?\n\nLoja <ajuda@loja.example> escreveu (segunda, 3/11/2026 à(s) 10:12):\n\nOlá",
            // Apple Mail.
            "Where is it?\n\nOn 3 Nov 2026, at 10:12, Shop <help@shop.example> wrote:\n\nDear Ana",
            "Where is it?\n\nNo dia 03/11/2026, às 10:12, Loja <ajuda@loja.example> escreveu:\n\nOlá",
            "Where is it?\n\nEm 3 de nov. de 2026, à(s) 10:12, Loja <ajuda@loja.example> escreveu:\n\nOlá",
            "Where is it?\n\nIl giorno 3 nov 2026, alle ore 10:12, Negozio <aiuto@negozio.example> ha scritto:\n\nGentile Ana",
            "Where is it?\n\nEl 3 nov 2026, a las 10:12, Tienda <ayuda@tienda.example> escribió:\n\nHola",
            // Thunderbird and Yahoo.
            "Where is it?\n\nOn 03/11/26 10:12, Shop wrote:\n\nDear Ana",
            "Where is it?\n\nÀs 10:12 de 03/11/2026, Loja escreveu:\n\nOlá",
            "Where is it?\n\nIl 03/11/2026 10:12, Negozio ha scritto:\n\nGentile Ana",
            "Where is it?\n\nEl 3/11/26 a las 10:12, Tienda escribió:\n\nHola",
            "Where is it?\n\nEm segunda-feira, 3 de novembro de 2026 10:12:34 BRT, Loja\n<ajuda@loja.example> escreveu:\n\nOlá",
            // Outlook.
            "Where is it?\n\nDa: Negozio <aiuto@negozio.example>\nData: lunedì, 3 novembre 2026 alle ore 10:12\nA: Ana\n\nGentile Ana",
            "Where is it?\n\nDe: Tienda <ayuda@tienda.example>\nEnviado: lunes, 3 de noviembre de 2026 10:12\nPara: Ana\n\nHola",
            "> Your parcel is on its way.\n\nWhere is it?",
            "On 3 Nov 2026, Shop wrote:\n> Your parcel is on its way.\nWhere is it?\n> Regards",
        ] {
            assert_eq!(own_words(letter, |_| false), "Where is it?", "{letter}");
        }
    }

    #[test]
    fn signatures_go() {
        for end in [
            "-- \nAna Souza\n+55 11 91234-5678",
            "Sent from my iPhone",
            "Enviado do meu iPhone",
            "Inviato da iPhone",
            "Enviado desde mi teléfono",
            "Get Outlook for Android",
            "Best regards,\nAna Souza\nHead of Things\nThings Ltd, 12 Baker Street\n+44 20 7946 0958",
            "Atenciosamente,\n\nAna Souza",
            "Cordiali saluti\nAna",
            "Obrigada,\nMaria da Silva e Souza\nTel. (11) 91234-5678\nana@mail.example | www.loja.example",
            "Thanks\nAna Souza\nThings Ltd.\n\nSent from my iPhone\nand read on a train",
            "Gracias.\nAna.",
            "Obrigada\nANA SOUZA\nNoemi & Filhos\nDIRETORA COMERCIAL",
            "Un saludo,\nAna\n\nAVISO LEGAL: este mensaje puede contener información confidencial dirigida exclusivamente a su destinatario y quien lo reciba por error debe borrarlo.",
            "This e-mail and any attachment may contain confidential information for the addressee alone.",
        ] {
            assert_eq!(own_words(&format!("Where is it?\n\n{end}"), |_| false), "Where is it?", "{end}");
        }
    }

    #[test]
    fn what_may_be_the_persons_own_stays() {
        for own in [
            "Obrigada,\nmas ainda falta um item. Quando chega?",
            "Thanks\nAnd do you also sell filters?",
            "Recebi a encomenda com um item a menos.\nObrigada\nQuero falar com um atendente, por favor.",
            "It came in two pieces.\nThank you\nI want to talk to a person",
            "Non è arrivato.\nGrazie,\nMaria\n\nPS: voglio parlare con una persona",
            "No llegó.\nGracias\nNo me manden más mensajes.",
            "It is broken.\n\nThanks,\nAna\n\nStop writing to me!",
            "From: what I read, it takes 5 days. Right?",
            "On Monday I wrote: where is my parcel?",
            "A loja fica aberta domingo?\n- sábado também?",
            "Gracias",
            "> Only quoted.",
            "El pedido llegó roto. Él escribió ayer sin respuesta.",
            "Bom dia,\n\nA minha encomenda não chegou e ninguém me escreveu\nQuero falar com uma pessoa",
            "Buongiorno,\nIl vostro collega non mi ha scritto\nVoglio parlare con una persona",
            "Hola,\nEl pedido 4471902 llegó roto y nadie me escribió\nQuiero hablar con una persona",
            "Olá,\nEm 3 de novembro a vossa colega escreveu:\na encomenda chega amanhã.\nNão chegou.",
            "On Monday I wrote:\nwhere is my parcel?\nI want to talk to a person",
            "Olá,\nEm 3 de novembro de 2026 a vossa colega escreveu:\na encomenda chega amanhã.\nNão chegou.",
            "Olá,\nÀs 10:12 a vossa colega escreveu:\na encomenda chega amanhã.\nNão chegou.",
            "Não chegou.\nObrigada\nPedido 4471902",
            "Non è arrivato.\nGrazie\nN. 4471902",
            "Buongiorno\nGrazie\nNON È ARRIVATO NIENTE",
            "",
        ] {
            assert_eq!(own_words(own, |_| false), own, "{own}");
        }
    }

    #[test]
    fn a_line_right_above_the_head_of_another_letter_stays() {
        let letter = "A minha encomenda não chegou\nEm 3 de nov. de 2026 às 10:12, Loja <ajuda@loja.example> escreveu:\nOlá";
        assert_eq!(own_words(letter, |_| false), "A minha encomenda não chegou");
    }

    #[test]
    fn what_matters_is_no_signature() {
        let letter = "Recebi tudo.\nObrigada\nAna\nPARAR";
        assert_eq!(own_words(letter, |_| false), "Recebi tudo.");
        assert_eq!(own_words(letter, |signature| signature.contains("PARAR")), letter);
        let letter =
            "Olá,\nEm 3/11/2026, às 10:12, a vossa colega escreveu:\nchega amanhã.\nQuero uma pessoa.";
        assert_eq!(own_words(letter, |_| false), "Olá,");
        assert_eq!(own_words(letter, |rest| rest.contains("pessoa")), letter);
    }

    proptest::proptest! {
        #[test]
        fn something_always_stays(letter in "(On 3 Nov Ana wrote:|> x|--|Obrigado,|De: a|Data: 3|[a-z ]{0,9}|\n){0,12}") {
            proptest::prop_assert!(own_words(&letter, |_| false).is_empty() == letter.trim().is_empty());
        }
    }
}
