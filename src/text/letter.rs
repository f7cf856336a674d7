//! What a person wrote in an e-mail: without the letters it answers, the signature, and the lawyers' paragraph.
//!
//! Line by line and by the words that mail programs put in, in four languages. Where nothing would be left, or a line could
//! be the person's own, it stays: a question that was cut away is worse than a signature that was read.

use std::sync::LazyLock;

use regex::Regex;

/// `On Monday … Ana wrote:`, which programs may break over several lines.
static INTRODUCTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?is)^(?:on|em|no dia|a|il giorno|il|el|le)\b.{4,300}?\b(?:wrote|escreveu|ha scritto|escribi[óo])\s*:?\s*$",
    )
});
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

/// The person's own words.
pub fn own_words(letter: &str) -> String {
    let lines: Vec<&str> = letter.lines().map(str::trim_end).collect();
    let mut own: Vec<&str> = Vec::new();
    let mut place = 0;
    while place < lines.len() {
        if let Some(after) = head_of_another(&lines, place) {
            // What is marked as quoted may stand above the answer; what is not goes to the end.
            let quoted =
                lines[after..].iter().find(|line| !line.is_empty()).is_some_and(|line| is_quoted(line));
            if !quoted {
                break;
            }
            place = after;
        } else {
            if !is_quoted(lines[place]) {
                own.push(lines[place]);
            }
            place += 1;
        }
    }
    let kept = without_signature(&own);
    let text = kept.join("\n").trim().to_owned();
    if text.chars().any(char::is_alphanumeric) { text } else { letter.trim().to_owned() }
}

fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with(['>', '|']) && !line.trim_start().starts_with("||")
}

/// The line after the head of another letter, where one begins here.
fn head_of_another(lines: &[&str], place: usize) -> Option<usize> {
    let line = lines[place].trim();
    if ORIGINAL.is_match(line) {
        return Some(place + 1);
    }
    if FROM.is_match(line)
        && let Some(sent) =
            lines[place + 1..].iter().take(HEAD_LINES).position(|line| SENT.is_match(line.trim()))
    {
        return Some(place + 2 + sent);
    }
    // `________` of Outlook stands before a head.
    if line.len() >= 10 && line.chars().all(|c| c == '_') {
        let next = lines[place + 1..].iter().position(|line| !line.trim().is_empty())? + place + 1;
        return FROM.is_match(lines[next].trim()).then_some(next + 1);
    }
    (1..=INTRODUCTION_LINES).filter(|count| place + count <= lines.len()).find_map(|count| {
        let block = &lines[place..place + count];
        let whole = block.iter().map(|line| line.trim()).collect::<Vec<_>>();
        let blank = whole.iter().any(|line| line.is_empty());
        (!blank && INTRODUCTION.is_match(&whole.join(" "))).then_some(place + count)
    })
}

fn without_signature<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let end = lines
        .iter()
        .enumerate()
        .position(|(place, line)| {
            let line = line.trim();
            let mark = matches!(line, "--" | "—" | "__");
            place > 0 && (mark || ADDED.is_match(line) || CONFIDENTIAL.is_match(line) || closes(lines, place))
        })
        .unwrap_or(lines.len());
    lines[..end].to_vec()
}

/// Whether a letter ends here: a formula on a line of its own, and nothing but a signature behind it.
fn closes(lines: &[&str], place: usize) -> bool {
    let short = |line: &&str| line.chars().count() <= SIGNATURE_CHARS && !line.contains('?');
    let rest: Vec<&str> = lines[place + 1..].iter().copied().filter(|line| !line.trim().is_empty()).collect();
    let signature = rest
        .iter()
        .position(|line| CONFIDENTIAL.is_match(line) || ADDED.is_match(line.trim()) || line.trim() == "--")
        .unwrap_or(rest.len());
    CLOSING.is_match(lines[place].trim())
        && signature <= SIGNATURE_LINES
        && rest[..signature].iter().all(short)
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
            "> Your parcel is on its way.\n\nWhere is it?",
            "On 3 Nov 2026, Shop wrote:\n> Your parcel is on its way.\nWhere is it?\n> Regards",
        ] {
            assert_eq!(own_words(letter), "Where is it?", "{letter}");
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
            "Un saludo,\nAna\n\nAVISO LEGAL: este mensaje puede contener información confidencial dirigida exclusivamente a su destinatario y quien lo reciba por error debe borrarlo.",
            "This e-mail and any attachment may contain confidential information for the addressee alone.",
        ] {
            assert_eq!(own_words(&format!("Where is it?\n\n{end}")), "Where is it?", "{end}");
        }
    }

    #[test]
    fn what_may_be_the_persons_own_stays() {
        for own in [
            "Obrigada,\nmas ainda falta um item. Quando chega?",
            "Thanks\nAnd do you also sell filters?",
            "From: what I read, it takes 5 days. Right?",
            "On Monday I wrote: where is my parcel?",
            "A loja fica aberta domingo?\n- sábado também?",
            "Gracias",
            "> Only quoted.",
            "El pedido llegó roto. Él escribió ayer sin respuesta.",
            "",
        ] {
            assert_eq!(own_words(own), own, "{own}");
        }
    }

    proptest::proptest! {
        #[test]
        fn something_always_stays(letter in "(On 3 Nov Ana wrote:|> x|--|Obrigado,|De: a|Data: 3|[a-z ]{0,9}|\n){0,12}") {
            proptest::prop_assert!(own_words(&letter).is_empty() == letter.trim().is_empty());
        }
    }
}
