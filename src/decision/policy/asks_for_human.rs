//! The customer asks for a person: a wish that is always granted.

use std::sync::LazyLock;

use regex::Regex;

use super::phrases::{Lexicon, Phrases, normalise};
use super::{Finding, PolicyInput};

/// Escalates when the customer's last words ask for a person, a call back or an end of automatic replies.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    if asks(input.question) {
        Finding::escalate("The customer asks to be helped by a person.")
    } else {
        Finding::pass()
    }
}

/// Whether a text asks for a person.
fn asks(text: &str) -> bool {
    PHRASES.found(&NEUTRAL.replace_all(&normalise(text), " "))
}

/// Titles that hold a word for a person and mean an address.
static NEUTRAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:data protection officer|(?:responsavel|encarregad[oa]) (?:de|da|do|pela|pelo|por) (?:\w+ )?(?:protecao|tratamento|dados)|responsabile (?:della |del |di )?(?:protezione|trattamento)|responsable (?:de |del )?(?:proteccion|tratamiento))\b")
        .expect("the pattern compiles")
});

static PHRASES: LazyLock<Phrases> = LazyLock::new(|| Phrases::new(&[ENGLISH, PORTUGUESE, ITALIAN, SPANISH]));

const ENGLISH: Lexicon = Lexicon {
    words: &[
        (
            "who",
            "humans?|humans? being|(?:real|live|actual) \\w+|agents?|representatives?|rep|operators?|supervisors?|managers?|\
             advis[eo]rs?|employees?|(?:staff|team) members?|member of (?:your |the )?(?:staff|team)|\
             customer (?:services?|support|care)|(?:support|service) team|(?:your|the) (?:team|staff|founders?|boss|owner)",
        ),
        ("one", "some ?one|some ?body|any ?one|any ?body|person|people"),
        (
            "robot",
            "bots?|chat ?bots?|robots?|automated (?:replies|responses|answers|messages)|machine|computer|ai",
        ),
    ],
    patterns: &[
        "(?:talk|speak|spoke|chat|took|connect|connected|transfer|transferred|put me|pass me|refer me|forward|escalate)<5>(?:<who>|<one>)",
        "(?:get|give|bring|send|find)(?: me)? (?:\\w+ ){0,2}(?:human|real person|actual person|live (?:person|agent|chat)|agent|representative|supervisor|manager|advis[eo]r|customer (?:services?|support))",
        "(?:need|want|prefer|demand|require|rather have|d like|would like)<3>(?:humans?|human being|(?:real|actual|live) (?:person|human|agent|people)|live chat|agent|representative|operator|supervisor|manager)",
        "(?:human|real person|(?:live |human )?agent|operator|representative|supervisor|manager|person) (?:please|pls|plz|now)",
        "(?:<who>|some ?one|some ?body|any ?one|person)<4>(?:call|ring|phone|contact|message|text|email|write to|reply to|answer|get back to) (?:me|us)",
        "get (?:your|the|a|an) (?:manager|supervisor|boss|human|colleague)",
        "(?:call|ring|phone) me back",
        "(?:please|pls|can you|could you|can u|could u) (?:call|ring|phone|give me a (?:call|ring)) ?(?:me)?",
        "(?:not|isn t|isnt) (?:a|an) (?:ro)?bot(?: please)?$",
        "(?:don t|dont|do not|didn t|not) (?:want|like|wish)<4>(?:bots?|chat ?bots?|robots?|ai)(?: please)?$",
        "(?:don t|dont|do not|hate|sick of|tired of|no more|stop)<3>(?:talk|talking|speak|speaking|chat|chatting)? ?(?:to|with)? ?(?:an? |this |the )?(?:bots?|chat ?bots?|robots?|automated (?:replies|responses|answers|messages))",
        "(?:talk|talking|speak|speaking|chat|chatting|deal|dealing) (?:to|with) (?:an? |this |the )?(?:stupid |dumb )?(?:machine|computer|bot|robot|chat ?bot|ai)$",
        "human (?:review|support|assistance|help|intervention)",
        "^(?:please )?(?:(?:human|agent|operator|representative|person|real person|live agent|live chat|customer services?|support|supervisor|manager)(?: please| pls| now)? ?)+$",
    ],
};

const PORTUGUESE: Lexicon = Lexicon {
    words: &[
        (
            "who",
            "atendentes?|humanos?|humana|pessoas?|alguem|ser humano|operador(?:a|es)?|gerente|supervisor(?:a|es)?|responsavel|\
             representante|funcionari[oa]s?|colaborador(?:a|es)?|consultor(?:a|es)?|chefe|suporte|sac|equip[ea]|setor|departamento|vendedor(?:a|es)?|gente de verdade",
        ),
        ("real", "de verdade|real|de carne e osso|verdadeir[oa]|human[oa]"),
    ],
    patterns: &[
        "(?:falar|fala|falo|conversar|converso|tratar|comunicar|resolver|contato|contacto)(?: \\w+){0,4} (?:com|co)(?: \\w+){0,3} <who>",
        "me (?:passa|passe|passar|passem|transfere|transfira|transferir|encaminha|encaminhe|encaminhar|conecta|conecte|conectar|coloca|coloque|poe|ponha)<5><who>",
        "(?:transferir|passar|encaminhar|transfira|transfiram|transfere|passe|passem|encaminhe|reencaminhe|ligue|ponha)(?: \\w{1,3})? me<5><who>",
        "(?:transfere|transfira|transferir|passa|passe)(?: (?:pra|para|pro|ao|a))<2>(?:atendente|humano|humana|operador|gerente|supervisor|responsavel)",
        "(?:chama|chame|chamar|chamem|manda|mande)<3>(?:atendente|humano|gerente|supervisor|responsavel|alguem|pessoa)",
        "(?:quero|preciso|prefiro|gostaria|exijo|desejo|queria|cade|solicito|peco)<4>(?:atendente|humano|humana|pessoa <real>|atendimento humano|gerente|supervisor|operador|operadora)",
        "(?:alguem|pessoa|atendente|gerente|supervisor|responsavel|funcionari[oa]|equip[ea]|voces|vcs)<5>me (?:ligar?|ligue|ligam|ligarem|contatar?|contate|contactar?|contacte|atender?|atenda|chamar?|chame|responder?|responda|retornar?|escrever|escreva|ajudar?|ajude)",
        "(?:ligar|contactar|contatar|telefonar|retornar|liguem|contactem)(?: para)? (?:me|mim)",
        "(?:podem?|poderiam?|por favor|favor) me (?:ligar|telefonar|retornar)",
        "me (?:liga|ligue|liguem|ligam)(?: de volta)? (?:por favor|pfv|pf|pls|de volta)",
        "(?:vist|analisad|revist|revisad|tratad|respondid|atendid|acompanhad)[oa] por<3>(?:responsavel|human[oa]|pessoa|alguem|atendente|gerente|supervisor|funcionari[oa])",
        "(?:nao quero|nao queria|chega de|odeio|cansei de|cansad[oa] de|nao aguento)<4>(?:robos?|bots?|chatbots?|resposta automatica|respostas automaticas|mensagens automaticas)(?:$| (?:n|q|por|quero|me|e|mas|aqui|nao|please|pf|pfv|fala|falando|respondendo))",
        "(?:tem|ha|existe|haveria)<2>(?:alguem|pessoa|humano|gente|atendente) (?:<real>|ai de verdade|disponivel)",
        "(?:atendimento|atendente|suporte|revisao|apoio|ajuda|intervencao) human[oa]",
        "(?:gente|pessoas?|alguem) (?:de verdade|de carne e osso)",
        "^(?:por favor )?(?:(?:atendentes?|humano|pessoa|operador|operadora|gerente|suporte|sac|falar com atendente)(?: por favor| pfv| pf| ja| agora| humano)? ?)+$",
        "^(?:atendente )+",
    ],
};

const ITALIAN: Lexicon = Lexicon {
    words: &[
        (
            "who",
            "persona|persone|umano|umana|essere umano|operator[ei]|operatrice|qualcuno|qualcun altro|addett[oai]|responsabile|consulente|\
             supervisore|direttore|manager|capo|titolare|collega|staff|personale|assistenza(?: clienti)?|servizio clienti|dipendente|rappresentante|reparto|ufficio",
        ),
        ("real", "in carne e ossa|ver[oa]|reale|fisic[oa]|uman[oa]"),
    ],
    patterns: &[
        "(?:parlare|parlarne|parlo|parla|parliamo|chattare|chatto|scrivere|conversare|trattare|comunicare|contatto|discutere|discuterne)<3>(?:con|a|al|all|allo|alla|col) (?:\\w+ ){0,4}<who>",
        "(?:spiegar\\w+|raccontar\\w+|dir\\w+|rivolger\\w+) (?:a|ad|al|all)<3>(?:persona|umano|essere umano|operatore|operatrice|addett[oa]|responsabile)",
        "(?:passi|passa|passate|passare|passami|passarmi|passatemi|trasferisci|trasferiscimi|trasferite|trasferitemi|trasferirmi|collegare|collegami|collegatemi|mettimi|mettetemi|mettermi|metti|mi metta)<4>(?:<who>)",
        "(?:voglio|vorrei|preferisco|preferirei|bisogno di|mi serve|chiedo|esigo|pretendo|cerco|desidero)<4>(?:operatore|operatrice|umano|essere umano|persona <real>|supervisore|assistenza umana)",
        "(?:ricontattat|richiamat|contattat|chiamat|assistit|seguit)[oa]<4>(?:da|dal|dall|dalla)<3>(?:addett[oa]|operatore|operatrice|qualcuno|persona|responsabile|collega|voi|consulente|umano)",
        "(?:qualcuno|operatore|operatrice|responsabile|persona|addett[oa]|capo|staff)<4>(?:mi|ci) (?:richiam|chiam|contatt|ricontatt|rispond|risponda|scriv|telefon|aiut)\\w*",
        "(?:potete|puo|puoi|potreste|potrebbe|potresti)<3>(?:richiamarmi|chiamarmi|contattarmi|ricontattarmi|telefonarmi)",
        "(?:richiamatemi|chiamatemi|contattatemi|ricontattatemi|telefonatemi|richiamami|chiamami|mi richiami|mi richiamate|fatemi chiamare|fatemi richiamare)",
        "(?:rispond\\w+|rispost\\w+|aiut\\w+|gestit[oa]|esaminat[oa]|vist[oa]|valutat[oa])<2>(?:da|di) (?:\\w+ ){0,2}(?:persona|umano|essere umano|operatore|qualcuno|responsabile|addetto)",
        "(?:c e|esiste|avete|ci sara|siete)<3>(?:qualcuno|persona|operatore|umano)<3>(?:in carne e ossa|ver[oa]|reale|con cui|disponibile)",
        "(?:non voglio|basta|basta con|stuf[oa] di|stanc[oa] di|odio|non sopporto|non mi trovo bene)<4>(?:bot|chatbot|robot|risposte automatiche|risposta automatica|messaggi automatici)",
        "(?:assistenza|operatore|operatrice|revisione|supporto|intervento|aiuto) uman[oa]",
        "(?:farmi|fatemi|facciatemi) (?:ri)?(?:contattare|chiamare|telefonare)",
        "(?:avere|sentire|trovare|mandatemi|datemi)<3><who><4>(?:al telefono|per telefono|in linea|in chat)",
        "(?:non|senza)<3>(?:dal|da|con|il|un|col)<1>(?:sistema automatico|robot|bot|risponditore|assistente virtuale)$",
        "^(?:per favore )?(?:(?:operatore|operatrice|umano|persona|persona vera|assistenza|assistenza clienti|supervisore|responsabile)(?: per favore| grazie| subito| pf| x favore)? ?)+$",
    ],
};

const SPANISH: Lexicon = Lexicon {
    words: &[
        (
            "who",
            "persona|personas|humano|humana|ser humano|alguien|agente|operador|operadora|asesor|asesora|representante|responsable|\
             encargad[oa]|supervisor|supervisora|gerente|jef[ea]|atencion al cliente|ejecutiv[oa]|trabajador|emplead[oa]|comercial|equipo|soporte|departamento|vendedor",
        ),
        ("real", "de verdad|real|de carne y hueso|human[oa]|fisica"),
    ],
    patterns: &[
        "(?:hablar|hablarlo|hablo|habla|hable|chatear|conversar|comunicar|comunicarme|comunico|contactar|tratar|tratarlo|contacto|platicar)<4>(?:con|a) (?:\\w+ ){0,4}<who>",
        "(?:explicar\\w*|contar\\w*|escribir\\w*|decir\\w*) (?:a|con) (?:\\w+ ){0,2}(?:persona|humano|alguien del equipo|agente|responsable|encargad[oa])",
        "(?:pasame|paseme|pasenme|pasadme|ponme|pongame|ponganme|ponedme|comunicame|comuniqueme|comuniquenme|transfiereme|transfierame|transferidme|conectame|conecteme|derivame|deriveme|derivadme|pasarme|ponerme|transferirme|comunicarme|conectarme|derivarme)<1>(?:con|a|al) (?:\\w+ ){0,4}<who>",
        "me (?:pasas|pasa|pasan|pasais|pase|pasen|pones|pone|ponen|poneis|comunicas|comunica|comunican|transfieres|transfiere|transferis|derivas|deriva|derivais|conectas|conecta|puedes? (?:pasar|poner|comunicar)|podeis (?:pasar|poner)|pueden (?:pasar|comunicar))<1>(?:con|a|al) (?:\\w+ ){0,4}<who>",
        "(?:quiero|necesito|prefiero|exijo|solicito|pido|quisiera|deseo|querria)<4>(?:agente|operador|operadora|humano|humana|persona <real>|asesor|asesora|supervisor|supervisora|representante|encargad[oa])",
        "(?:llame|llamen|llameis|atienda|atiendan|atendais|conteste|contesten|responda|escriba|escribir|contacte|contacten|ayude|llamar|atender|contestar|contactar)<2>(?:alguien|una persona|un agente|un humano|un asesor|un responsable|un operador|el encargado)",
        "(?:alguien|persona|agente|asesor|asesora|responsable|encargad[oa]|equipo|gerente)<4>me (?:llame|llamar|llama|llamen|atienda|atender|conteste|contestar|responda|responder|escriba|escribir|contacte|contactar|ayude)",
        "(?:por telefono|en persona)<3>(?:con|de)<4><who>",
        "(?:podria|podrian|puede|pueden|podeis|puedes)<1>(?:llamarme|telefonearme|contactarme|atenderme)",
        "me (?:pueden|puede|podeis|podrian|podria|puedes|podriais) (?:llamar|telefonear|contactar)",
        "(?:llamadme|llamenme|llameme|llamame|contactadme|contactenme|devuelvanme la llamada)",
        "(?:no quiero|harto de|harta de|basta de|odio|cansado de|cansada de|nada de)<4>(?:bots?|chatbots?|respuestas automaticas|respuesta automatica|mensajes automaticos|contestador|un robot|robots|maquinas?)(?:$| (?:por|quiero|ni|que|y))",
        "(?:hay|existe)<2>(?:alguien|persona|humano|agente) (?:<real>|disponible|ahi de verdad)",
        "(?:atencion|agente|asesor|operador|revision|ayuda|soporte|asistencia|intervencion) human[oa]",
        "^(?:por favor )?(?:(?:agente|humano|persona|operador|operadora|asesor|asesora|supervisor|atencion al cliente)(?: por favor| porfa| ya| ahora| please)? ?)+$",
    ],
};

/// Compiles the patterns.
pub(super) fn warm_up() {
    LazyLock::force(&PHRASES);
    LazyLock::force(&NEUTRAL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hears_the_wish_in_four_languages() {
        for text in [
            "I'd like to speak with one of your agents",
            "HUMAN!!!",
            "can a colleague of yours... anyone from your team call me?",
            "please ring me back",
            "quero conversar com alguém da equipe",
            "me transfere para um atendente, por favor",
            "poderiam me ligar?",
            "vorrei essere richiamato da un operatore",
            "potete mettermi in contatto con una persona vera?",
            "parlare con assistenza clienti",
            "¿Me puede atender un agente?",
            "quiero que me llame un asesor",
            "páseme con el encargado",
        ] {
            assert!(asks(text), "{text}");
        }
    }

    #[test]
    fn lets_ordinary_questions_pass() {
        for text in [
            "are you a human?",
            "Can someone else pick up my parcel?",
            "can I send it to another person as a present?",
            "does the manager's discount apply?",
            "Outra pessoa pode retirar o pedido na loja?",
            "não quero o robô aspirador, quero devolver",
            "você é um robô?",
            "Può ritirare il pacco un'altra persona?",
            "il corriere mi chiama prima di consegnare?",
            "¿Puede recoger el pedido otra persona?",
            "no quiero un robot de cocina, quiero una cafetera",
        ] {
            assert!(!asks(text), "{text}: {:?}", PHRASES.which(text));
        }
    }
}
