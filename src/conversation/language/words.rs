//! Function words by language, in lower case.

use std::collections::HashSet;
use std::sync::LazyLock;

type Words = HashSet<&'static str>;

/// Function words of the supported languages, in the order of [`Language::ALL`](super::Language::ALL); a word that
/// several share stands in each.
pub(super) static OWN: LazyLock<[Words; 4]> =
    LazyLock::new(|| [PORTUGUESE, ITALIAN, SPANISH, ENGLISH].map(set));

/// Function words and shop words of one language, or of close ones, that are rare in the four supported ones, and its
/// own letters.
pub(super) struct Profile {
    pub(super) words: Words,
    pub(super) letters: &'static str,
}

/// The languages that are noticed by their words.
pub(super) static FOREIGN: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    FOREIGN_WORDS.iter().map(|(words, letters)| Profile { words: set(words), letters }).collect()
});

fn set(words: &'static str) -> Words {
    words.split_whitespace().collect()
}

const PORTUGUESE: &str = "\
    a alguém ao as até boa bom com como da das de depois dia do dos e ela ele em entrega estou está eu fazer faço foi \
    foram gostaria isso já lhe loja mais mas me meu meus minha minhas muito na nao nas nem no nos num numa não o \
    obrigada obrigado oi olá onde os ou para pedido pela pelo por porque posso pq pra preciso qual quando quanto que \
    quem quero saber se ser seu so sobre sua são só ta também tarde te tem tá um uma vai vc vcs voce você vocês vão à \
    às é";

const ITALIAN: &str = "\
    ai al alla alle anche ancora anzi avete buongiorno c'è che chi ci ciao come con consegna cosa da dal dalla dei del \
    della delle di dove era fare fatto gli grazie ha ho i il io l'ho la le lei lo ma mi mia miei mio negozio nel nella \
    non né ordine per perché più posso quale quali quando quant quanti quanto questo qui sapere se sei si siete sono \
    spedite sto su sul sulla ti tu un una vi voglio vorrei è";

const SPANISH: &str = "\
    al buenas buenos como con cual cuando cuanto cuál cuándo cuánto cómo de del desde después donde días dónde el en \
    envio envío eres es eso esta este estoy está fue gracias habeis habéis hacer hacéis hasta hay hola la las le lo \
    los mi mis muy más ni nos os para pedido pero podeis podéis por porque puedo que quien quiero qué se si sin sobre \
    su también teneis tengo tenéis tienda tu un una ustedes vosotros vuestro y ya yo";

const ENGLISH: &str = "\
    about after all an and any are as at be been but by can can't could delivery did didn't do does doesn't don't for \
    from get go got had has have he hello her hi him his how i i'm i've if im in into is it it's just let's long many \
    me mine more much my no not of on or order our out please she shop should so some still store thanks that the \
    their there they this to u up us was we what whats when where which who why will with won't would you your";

/// Words and letters.
const FOREIGN_WORDS: &[(&str, &str)] = &[
    // German
    (
        "ich und der die das den dem nicht ist sind ein eine einen einer mein meine meinen meiner wie wo wann guten \
         tag morgen abend hallo danke dank vielen bitte kann können haben habe für mit auf zu von sie wir ihr ihre \
         ihnen es bei noch auch oder aber wird wurde möchte gern gerne lange viel kostet bestellung bestellt lieferung \
         zurück kein keine warum ob im zum zur dass wenn mir mich freundlichen grüßen geld versand nach aus soll tun",
        "ßäöü",
    ),
    // French
    (
        "je j'ai vous nous est c'est les des une mon ma mes votre vos pour dans avec sur pas ne n'est n'ai que qu'est \
         quel quelle combien comment quand où pourquoi bonjour bonsoir salut merci svp s'il plaît plait voudrais veux \
         peux puis faut faut-il commande livraison colis jours temps et le du au aux être été avez suis avoir toujours \
         reçu retourner rembourser remboursement chez sont mais ou à",
        "œëûîè",
    ),
    // Dutch
    (
        "ik het een van hoe wat niet mijn kan voor met zijn goedemorgen goedemiddag goedendag dank bedankt hallo lang \
         naar duurt en de waar wanneer waarom jullie bestelling bezorging verzending graag wil heb heeft geen ook maar \
         nog wordt kunnen terug pakket alstublieft deze dit dat er op bij aan u uw je",
        "",
    ),
    // Polish
    (
        "jak nie się jest czy dzień dobry proszę chcę chciałbym chciałabym mój moje moja ile kosztuje do na to \
         dziękuję gdzie kiedy zamówienie wysyłka paczka przesyłka zwrócić zwrot zrobić mam mogę dla że przez od po za \
         już witam cześć kawy trwa dostawa",
        "łąęśżźćń",
    ),
    // Romanian
    (
        "și si este sunt nu cum unde când cand cât cat vreau aș bună buna ziua mulțumesc multumesc comanda pentru meu \
         mea pot să sa din la cu durează livrarea costă",
        "ășțţş",
    ),
    // Catalan
    (
        "què amb és els però quan vull tinc meva meu comanda bon dia gràcies sisplau quant triga puc on és aquest \
         aquesta fer dels als també perquè hola arribar enviament com per una la de el",
        "ïŀ",
    ),
    // Swedish, Danish, Norwegian
    (
        "jag jeg och og är er inte ikke det som på med för min mitt hur hvor hvordan vad hvad hva tack tak takk hej \
         hei kan vill vil att en ett et till til beställning leverans levering lång tid tar",
        "åäöøæ",
    ),
    // Czech, Slovak
    (
        "dobrý den jak dlouho trvá prosím děkuji ďakujem je kde kdy chci chtěl mám můj objednávka doručení vrátit že \
         na se si by ako a",
        "řůěščžťď",
    ),
    // Turkish
    (
        "merhaba nasıl ne kadar bir ve için bu sipariş siparişim nerede teşekkürler istiyorum var mı mi kargo değil \
         benim iade lütfen",
        "ğışİ",
    ),
    // Hungarian, Finnish
    (
        "hogyan mennyi nem hogy és van jó napot köszönöm szeretnék rendelésem az egy hol mikor szállítás hei kuinka \
         kauan missä tilaukseni kiitos haluan ei on ja minun toimitus voinko",
        "őűäö",
    ),
];
