//! Words that turn a statement around without a *not*: *higher* where the source has *lower*.
//!
//! A short list a language, of the opposites that statements about products, orders, prices and times are made with. Words
//! are compared by their stems without accents, so that a line covers the forms of a word; a line holds pairs of which
//! either side may stand in the source.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::conversation::Language;
use crate::text::{fold, stemmer, words};

/// Opposite stems by stem.
type Opposites = HashMap<String, HashSet<String>>;

/// The words of a sentence, as written, whose opposite is in the window while they are not, and whose opposite the
/// sentence does not name itself. Both are in the same language.
pub(super) fn contradicted(sentence: &str, window: &str, language: Language) -> Vec<String> {
    let opposites = of(language);
    let (said, known) = (stems(sentence, language), stems(window, language));
    let known: HashSet<&str> = known.iter().map(|(_, stem)| stem.as_str()).collect();
    let own: HashSet<&str> = said.iter().map(|(_, stem)| stem.as_str()).collect();
    said.iter()
        .filter(|(_, stem)| !known.contains(stem.as_str()))
        .filter(|(_, stem)| {
            opposites.get(stem).is_some_and(|turned| {
                turned.iter().any(|one| known.contains(one.as_str()))
                    && turned.iter().all(|one| !own.contains(one.as_str()))
            })
        })
        .map(|(word, _)| (*word).to_owned())
        .collect()
}

fn stems(text: &str, language: Language) -> Vec<(&str, String)> {
    let stemmer = stemmer(language.code());
    words(text)
        .map(|word| {
            let lower = word.to_lowercase();
            (word, stemmer.as_ref().map_or_else(|| fold(&lower), |stemmer| fold(&stemmer.stem(&lower))))
        })
        .collect()
}

fn of(language: Language) -> &'static Opposites {
    static ALL: LazyLock<HashMap<Language, Opposites>> =
        LazyLock::new(|| Language::ALL.into_iter().map(|language| (language, read(language))).collect());
    static NONE: LazyLock<Opposites> = LazyLock::new(Opposites::new);
    ALL.get(&language).unwrap_or(&NONE)
}

fn read(language: Language) -> Opposites {
    let pairs = match language {
        Language::Pt => PT,
        Language::It => IT,
        Language::Es => ES,
        Language::En => EN,
    };
    let mut all = Opposites::new();
    for pair in pairs.split(';') {
        let sides: Vec<String> = stems(pair, language).into_iter().map(|(_, stem)| stem).collect();
        if let [one, other] = &sides[..] {
            all.entry(one.clone()).or_default().insert(other.clone());
            all.entry(other.clone()).or_default().insert(one.clone());
        }
    }
    all
}

const EN: &str = "high low;higher lower;highest lowest;increase decrease;increase reduce;rise fall;rose fell;more less;\
    more fewer;most least;above below;over under;before after;first last;earlier later;old new;older newer;\
    large small;larger smaller;big small;bigger smaller;long short;longer shorter;good bad;better worse;best worst;\
    positive negative;strong weak;stronger weaker;success failure;successful unsuccessful;accept reject;accept refuse;\
    accept decline;agree disagree;allow forbid;allow prohibit;allowed forbidden;permitted forbidden;approve reject;\
    include exclude;included excluded;open closed;opens closes;begin end;start stop;buy sell;bought sold;\
    send receive;sent received;win lose;won lost;gain loss;profit loss;support oppose;improve worsen;easy difficult;\
    easy hard;simple complex;cheap expensive;fast slow;faster slower;hot cold;warm cold;safe dangerous;happy unhappy;\
    love hate;present absent;public private;free paid;full empty;internal external;inside outside;indoor outdoor;\
    domestic foreign;domestic international;national international;minimum maximum;all none;always never;often rarely;\
    everyone nobody;everything nothing;same different;similar different;true false;right wrong;correct incorrect;\
    possible impossible;able unable;available unavailable;certain uncertain;known unknown;likely unlikely;\
    expected unexpected;important unimportant;necessary unnecessary;comfortable uncomfortable;effective ineffective;\
    efficient inefficient;optimistic pessimistic;expand shrink;grow shrink;growth decline;encourage discourage;hire fire;\
    create destroy;connect disconnect;online offline;permanent temporary;active inactive;regular irregular;legal illegal;\
    advantage disadvantage;outperform underperform;exceed miss;upward downward;forward backward;\
    clean dirty;wet dry;natural artificial;manual automatic;single multiple;complete incomplete;partial full;\
    optional mandatory;optional required;voluntary mandatory;export import;spend save;confirm deny;reveal hide;\
    continue stop;stay leave;join leave;relevant irrelevant;dependent independent;weekday weekend;\
    morning evening;summer winter;son daughter;brother sister;husband wife;father mother;man woman;men women;boy girl;\
    refundable nonrefundable;washable unwashable;sealed unsealed;locked unlocked;enable disable;enabled disabled;\
    activate deactivate;install uninstall;subscribe unsubscribe;valid invalid;latest earliest";
const PT: &str = "alto baixo;maior menor;máximo mínimo;aumentar diminuir;aumenta reduz;aumento redução;aumento queda;subir descer;\
    subiu caiu;mais menos;acima abaixo;antes depois;primeiro último;cedo tarde;antigo novo;velho novo;grande pequeno;\
    longo curto;comprido curto;bom mau;bom ruim;melhor pior;positivo negativo;forte fraco;sucesso fracasso;aceitar recusar;\
    aceita recusa;aceitar rejeitar;concordar discordar;permitir proibir;permitido proibido;incluir excluir;incluído excluído;\
    aberto fechado;abre fecha;abrir fechar;começar terminar;início fim;comprar vender;enviar receber;ganhar perder;\
    lucro prejuízo;fácil difícil;simples complicado;barato caro;rápido lento;quente frio;seguro perigoso;presente ausente;\
    público privado;gratuito pago;grátis pago;cheio vazio;interno externo;dentro fora;nacional internacional;todos nenhum;\
    sempre nunca;igual diferente;mesmo diferente;verdadeiro falso;certo errado;correto incorreto;possível impossível;\
    disponível indisponível;provável improvável;necessário desnecessário;online offline;permanente temporário;permanente temporária;\
    ativo inativo;ativar desativar;ligar desligar;legal ilegal;esquerda direita;vantagem desvantagem;limpo sujo;seco molhado;\
    seco úmido;natural artificial;manual automático;completo incompleto;parcial total;opcional obrigatório;\
    facultativo obrigatório;opcional obrigatória;facultativo obrigatória;dia noite;manhã tarde;verão inverno;válido inválido;instalar desinstalar;\
    bloquear desbloquear;conectar desconectar;devolver manter;crédito débito;entrada saída;útil corrido";
const IT: &str = "alto basso;maggiore minore;superiore inferiore;massimo minimo;aumentare diminuire;aumenta diminuisce;\
    aumento riduzione;aumento calo;salire scendere;più meno;sopra sotto;prima dopo;primo ultimo;presto tardi;vecchio nuovo;\
    grande piccolo;lungo corto;lungo breve;buono cattivo;migliore peggiore;meglio peggio;positivo negativo;forte debole;\
    successo fallimento;accettare rifiutare;accettato rifiutato;permesso vietato;consentito vietato;permettere vietare;\
    includere escludere;incluso escluso;compreso escluso;aperto chiuso;apre chiude;aprire chiudere;iniziare finire;\
    inizio fine;comprare vendere;inviare ricevere;spedire ricevere;vincere perdere;guadagno perdita;facile difficile;\
    semplice complicato;economico costoso;economico caro;veloce lento;rapido lento;caldo freddo;sicuro pericoloso;\
    presente assente;pubblico privato;gratuito pagamento;gratis pagamento;pieno vuoto;interno esterno;dentro fuori;\
    nazionale internazionale;tutti nessuno;sempre mai;uguale diverso;stesso diverso;vero falso;giusto sbagliato;\
    corretto scorretto;possibile impossibile;disponibile indisponibile;probabile improbabile;necessario inutile;\
    online offline;permanente temporaneo;attivo inattivo;attivare disattivare;accendere spegnere;legale illegale;\
    sinistra destra;vantaggio svantaggio;pulito sporco;asciutto bagnato;naturale artificiale;manuale automatico;\
    completo incompleto;parziale totale;facoltativo obbligatorio;opzionale obbligatorio;giorno notte;\
    mattina sera;estate inverno;valido scaduto;installare disinstallare;bloccare sbloccare;feriale festivo;entrata uscita";
const ES: &str = "alto bajo;mayor menor;superior inferior;máximo mínimo;aumentar disminuir;aumenta disminuye;aumento reducción;\
    aumento descenso;subir bajar;más menos;encima debajo;antes después;primero último;temprano tarde;viejo nuevo;\
    antiguo nuevo;grande pequeño;largo corto;bueno malo;mejor peor;positivo negativo;fuerte débil;éxito fracaso;\
    aceptar rechazar;aceptado rechazado;permitir prohibir;permitido prohibido;incluir excluir;incluido excluido;\
    abierto cerrado;abre cierra;abrir cerrar;empezar terminar;inicio fin;comprar vender;enviar recibir;ganar perder;\
    beneficio pérdida;fácil difícil;sencillo complicado;barato caro;rápido lento;caliente frío;seguro peligroso;\
    presente ausente;público privado;gratuito pago;gratis pago;lleno vacío;interno externo;interior exterior;dentro fuera;\
    nacional internacional;todos ninguno;siempre nunca;igual diferente;mismo diferente;verdadero falso;cierto falso;\
    correcto incorrecto;posible imposible;disponible agotado;probable improbable;necesario innecesario;online offline;\
    permanente temporal;activo inactivo;activar desactivar;encender apagar;legal ilegal;izquierda derecha;\
    ventaja desventaja;limpio sucio;seco mojado;natural artificial;manual automático;completo incompleto;parcial total;\
    opcional obligatorio;voluntario obligatorio;día noche;mañana tarde;verano invierno;válido caducado;\
    instalar desinstalar;bloquear desbloquear;conectar desconectar;laborable festivo;entrada salida";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opposite_of_the_source_is_found_in_every_language() {
        use Language::{En, Es, It, Pt};
        for (sentence, window, language, word) in [
            (
                "The filter is included in the price.",
                "The filter is excluded from the price.",
                En,
                "included",
            ),
            ("Delivery is faster to islands.", "Delivery to islands is slower.", En, "faster"),
            ("A loja fica fechada aos sábados.", "A loja fica aberta aos sábados.", Pt, "fechada"),
            ("A gravação é obrigatória.", "A gravação é opcional.", Pt, "obrigatória"),
            ("Il reso è vietato dopo la prova.", "Il reso è permesso dopo la prova.", It, "vietato"),
            ("El negocio está cerrado en agosto.", "El negocio está abierto en agosto.", Es, "cerrado"),
        ] {
            assert_eq!(contradicted(sentence, window, language), [word], "{sentence}");
        }
    }

    #[test]
    fn what_the_source_says_too_is_none() {
        for (sentence, window) in [
            ("The filter is included.", "Included: the filter. Excluded: the lamp."),
            ("The filter is included, the lamp is excluded.", "The lamp is excluded."),
            ("It is a red kettle.", "The kettle is blue."),
        ] {
            assert!(contradicted(sentence, window, Language::En).is_empty(), "{sentence}");
        }
    }

    #[test]
    fn every_line_of_the_lists_is_a_pair_of_different_stems() {
        for language in Language::ALL {
            let list = match language {
                Language::Pt => PT,
                Language::It => IT,
                Language::Es => ES,
                Language::En => EN,
            };
            for pair in list.split(';') {
                let sides: Vec<String> = stems(pair, language).into_iter().map(|(_, stem)| stem).collect();
                assert!(
                    matches!(&sides[..], [one, other] if one != other),
                    "{language:?}: {pair}: {sides:?}"
                );
            }
        }
    }
}
