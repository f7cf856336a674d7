//! The question is about the customer's own order, money or account: the knowledge base cannot know.

use std::sync::LazyLock;

use regex::Regex;

use super::phrases::{Lexicon, Phrases};
use super::{Finding, PolicyInput};

/// Escalates when an answer would need the customer's own record.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    if ORDER_CODE.is_match(input.question) || ORDER_NUMBER.found(input.question) {
        Finding::escalate("The customer names an order, which only a person with access to it can look up.")
    } else if RECORD.found(input.question) && !HOW_TO.found(input.question) {
        Finding::escalate("The customer asks about their own order, payment or account.")
    } else {
        Finding::pass()
    }
}

/// Codes such as `BR4471902`, `ORD-10293`, `#123456`.
static ORDER_CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[A-Z]{2,4}-?[0-9]{5,12}\b|(?:^|\s)#[0-9]{4,12}\b").expect("the pattern compiles")
});

static ORDER_NUMBER: LazyLock<Phrases> = LazyLock::new(|| {
    Phrases::new(&[Lexicon {
        words: &[(
            "order",
            "order|parcel|tracking|invoice|booking|pedido|encomenda|compra|rastreio|rastreamento|nota fiscal|fatura|envio|\
             ordine|pacco|spedizione|fattura|rimborso|factura|paquete|seguimiento|reembolso|refund|return",
        )],
        patterns: &[
            "<order>(?: (?:number|no|nr|nro|num|numero|n|de|del|n o|is|e|es|id|code|codigo|codice))* [a-z]{0,4}\\d{5,12}",
        ],
    }])
});

/// Asks how to look something up, which the knowledge base may well tell.
static HOW_TO: LazyLock<Phrases> = LazyLock::new(|| {
    Phrases::new(&[Lexicon {
        words: &[],
        patterns: &[
            "how (?:do|can|could|to|would)<2>(?:see|check|track|find|know|view|look up|follow)",
            "where (?:do|can|could) i (?:see|check|track|find|view|look)",
            "(?:como|onde) (?:e que |eu )?(?:vejo|acompanho|rastreio|sei|consulto|confiro|posso ver|posso saber|posso acompanhar|faco (?:para|pra) (?:ver|saber|acompanhar))",
            "(?:come|dove) (?:vedo|controllo|traccio|seguo|trovo|posso (?:vedere|sapere|controllare|seguire)|faccio (?:a|per) (?:vedere|sapere|controllare|seguire))",
            "(?:como|donde) (?:veo|sigo|consulto|miro|compruebo|puedo (?:ver|saber|seguir|consultar))",
            "(?:que|quais|quali|which|what) (?:datos|dados|dati|details|data)<2>(?:pongo|preciso|hay que|ponho|inserisco|need)",
        ],
    }])
});

static RECORD: LazyLock<Phrases> = LazyLock::new(|| Phrases::new(&[ENGLISH, PORTUGUESE, ITALIAN, SPANISH]));

const ENGLISH: Lexicon = Lexicon {
    words: &[
        (
            "mine",
            "order|orders|parcel|package|delivery|refund|return|money|payment|invoice|subscription|account|points|balance|booking|item|items|stuff|purchase",
        ),
        (
            "ask",
            "can you|could you|can u|could u|can someone|could someone|please|pls|plz|would you|will you|i need you to|i want you to|you to",
        ),
    ],
    patterns: &[
        "where(?: the hell)?(?: s| is| are)? (?:my|our) <mine>",
        "(?:what s|whats|what is|what)(?: happened| going on| happening| up)?<2>(?:with|to|of|about) my <mine>",
        "(?:status|location|whereabouts) of my <mine>",
        "(?:has|is|was|did|have) (?:my|the|our)<2><mine> (?:been |already |even )?(?:left|shipped|sent|dispatched|arrived|gone|go|delivered|processed|approved|issued|received|lost|here|on its way)(?: yet)?",
        "<ask><3>(?:check|look up|look into|look at|see|find out|confirm|tell me)<4>(?:my|mine) (?:\\w+ )?<mine>",
        "<ask><1>(?:change|update|correct|cancel|edit|resend|remove|delete|refund|unlock|reset|fix)<1>(?:my|our|the)(?: \\w+){0,3} (?:<mine>|address|phone|number|email|name|surname|profile|password|details)",
        "how many points (?:have i(?: got)?|do i have|did i (?:get|earn))|my points balance|what s my (?:balance|order number)",
        "(?:i was|i ve been|ive been|have been|been|you|you ve|was) (?:charged|billed|debited)<2>(?:twice|two times|double|wrong|too much|again|me)|charged me (?:twice|double|too much|again)",
        "(?:my|the) (?:parcel|package|order|delivery)<3>(?:meant|supposed|due|should have)<3>(?:to|been|arrive|come|yesterday|today)",
        "i placed an order<8>(?:haven t|havent|not|nothing|has it|still|left|yet)",
        "(?:still )?(?:haven t|havent|have not|never) (?:received|got|had|gotten)<2>(?:my|the) <mine>",
        "(?:was i|am i|i got|got|been) (?:charged|billed|debited)<2>(?:twice|two times|double|again)|(?:charged|paid|billed) (?:twice|double)",
        "(?:date|day|amount) of my (?:next|last) (?:\\w+ ){0,2}(?:<mine>|charge|box)",
        "(?:check|see|tell me|confirm)<2>which (?:address|name|e ?mail|card|size|colou?r)<3>(?:i put|i used|i gave|on (?:my|the) <mine>)",
    ],
};

const PORTUGUESE: Lexicon = Lexicon {
    words: &[
        (
            "mine",
            "pedido|pedidos|encomenda|pacote|entrega|reembolso|estorno|compra|devolucao|dinheiro|assinatura|conta|pontos|saldo|nota fiscal|fatura|cadastro|troca",
        ),
        (
            "ask",
            "podem?|poderiam?|pode me|consegue|conseguem|da pra|preciso que|quero que|por favor|favor|pfv|vcs podem|voces podem|gostaria que",
        ),
    ],
    patterns: &[
        "(?:cade|onde (?:esta|ta|anda|foi parar)|por onde anda|em que pe (?:esta|anda)|o que (?:houve|aconteceu) com|q aconteceu com) (?:o |a |os |as )?(?:meu|minha|meus|minhas|nosso) <mine>",
        "(?:status|situacao|andamento|posicao) d[oa] (?:meu|minha) <mine>",
        "(?:meu|minha|o|a) <mine>(?: \\w+){0,4} (?:ja )?(?:foi emitid[oa]|foi aprovad[oa]|foi processad[oa]|foi feit[oa]|ja chegou|ja foi|nao se mexe|nao anda|esta parad[oa]|ta parad[oa]|sumiu|ta atrasad[oa]|esta atrasad[oa])(?: por voces| por vcs)?$",
        "<ask><2>(?:ver|verificar|checar|conferir|consultar|confirmar|olhar|me dizer|dizer me|localizar)<5>(?:meu|minha|meus|minhas|minha conta|no meu|na minha) (?:\\w+ )?<mine>",
        "<ask><1>(?:mudar|alterar|trocar|corrigir|atualizar|cancelar|reenviar|excluir|remover|apagar|mandar)<1>(?:o|a|os|as|meu|minha|do meu|da minha)(?: \\w+){0,3} (?:d[oa] (?:meu|minha)|no meu|na minha) (?:\\w+ )?<mine>",
        "<ask><1>(?:cancelar|cancelem|cancele|anular|anulem|reenviar|reenviem|desbloquear) (?:o |a )?(?:meu|minha) <mine>",
        "quantos pontos (?:eu )?(?:(?:ja |ainda )?tenho(?: (?:agora|hoje|na|no|ja|acumulad\\w+)|$)|me restam|ha na minha)|meu saldo de pontos|qual (?:e )?(?:o )?meu saldo",
        "(?:me |fui )?(?:cobraram|cobrad[oa]|debitaram|debitad[oa])(?: me)? (?:\\w+ ){0,2}(?:duas vezes|2x|em dobro|2 vezes|a mais|errado|duplicado|de novo|indevid\\w+)|cobranca (?:indevida|duplicada|em dobro)",
        "(?:ve|veja|verifica|verifique|verifiquem|olha|olhem|vejam|checa|confere)<3>(?:na|no|em) (?:minha|meu) (?:conta|pedido|cadastro|assinatura)",
        "(?:era|devia|deveria) (?:pra|para)? ?(?:ter )?(?:chegado|chegar|sido entregue)",
        "(?:ainda )?nao (?:recebi|chegou|me chegou|caiu)<2>(?:o |a )?(?:meu|minha) <mine>",
        "(?:data|dia|valor) d[oa] (?:proxim[oa]|ultim[oa]|meu|minha)<2>(?:envio|cobranca|entrega|pagamento|remessa)<2>(?:d[oa] )?(?:meu|minha) <mine>",
        "(?:fiz|realizei) (?:um|uma) (?:pedido|encomenda|compra)<8>(?:ainda nao|nao recebi|nada|ja foi|ja saiu|confirmar)",
    ],
};

const ITALIAN: Lexicon = Lexicon {
    words: &[
        (
            "mine",
            "ordine|ordini|pacco|spedizione|consegna|rimborso|reso|acquisto|soldi|abbonamento|account|conto|punti|saldo|fattura|profilo|pagamento",
        ),
        (
            "ask",
            "potete|puoi|puo|potreste|potrebbe|mi|vorrei che|ho bisogno che|per favore|prego di|cortesemente",
        ),
    ],
    patterns: &[
        "(?:dov e|dove|dove e|dove sta|dove si trova|che fine ha fatto|a che punto e|come mai|perche) (?:il |la |i )?(?:mio|mia|miei|nostro) <mine>",
        "(?:stato|situazione) de(?:l|lla) (?:mio|mia) <mine>",
        "(?:il mio|la mia|mio) <mine>(?: \\w+){0,3} (?:e )?(?:partit[oa]|arrivat[oa]|spedit[oa]|stat[oa]|ferm[oa]|bloccat[oa]|in ritardo|non si muove|pers[oa])",
        "<ask><2>(?:controllar\\w*|controllate|controlli|verificar\\w*|verificate|verifichi|vedere|guardare|guardate|dirmi|dire|confermar\\w*|confermate)<5>(?:(?:mio|mia|miei|nostro) )?(?:<mine>|partit[oa]|arrivat[oa]|spedit[oa])",
        "<ask><1>(?:cambiar\\w*|cambiate|modificar\\w*|modificate|correggere|aggiornar\\w*|annullar\\w*|annullate|cancellar\\w*|rimandar\\w*|reinviar\\w*|sbloccar\\w*|eliminar\\w*)<6>(?:mio|mia|miei|nostro) (?:\\w+ )?(?:<mine>|indirizzo|telefono|numero|nome|cognome|email|mail|password)",
        "quanti punti (?:ho(?: (?:adesso|ora|sul|nel|sulla|accumulat\\w+)|$)|mi restano|mi sono rimasti|abbiamo)|(?:mio )?saldo punti|qual e il mio saldo",
        "(?:mi avete|mi hanno|sono stat[oa]|avete) (?:addebitat[oa]|fatto pagare|scalato)<3>(?:due volte|doppio|2 volte|di piu|ancora|sbagliat\\w+)|addebitat[oa] due volte|doppio addebito",
        "(?:ho effettuato|ho fatto|ho piazzato) un (?:ordine|acquisto)<9>(?:partit[oa]|spedit[oa]|dirmi|ancora niente|non ho ricevuto|notizie|nulla)",
        "quando (?:scade|si rinnova|parte|arriva)<1>(?:il mio|la mia) <mine>|(?:qual e|quando e)<1>(?:il )?prossimo addebito",
        "(?:guard\\w+|controll\\w+|vede\\w*|verific\\w+)<2>(?:nel|sul|a)<1>(?:sistema|gestionale)",
        "(?:a che livello|a quale livello|quanti punti)<4>(?:sono arrivat[oa]|sono|mi mancano|ho raggiunto)",
        "(?:doveva|sarebbe dovut[oa]|avrebbe dovuto) (?:arrivare|essere (?:gia )?(?:arrivat[oa]|consegnat[oa]))",
        "non (?:ho ancora|ho mai|ho) ricevuto<1>(?:il mio|la mia|il|la) <mine>|non mi e (?:ancora )?arrivat[oa]<2>(?:mio|mia) <mine>",
    ],
};

const SPANISH: Lexicon = Lexicon {
    words: &[
        (
            "mine",
            "pedido|pedidos|paquete|envio|entrega|reembolso|devolucion|compra|dinero|suscripcion|cuenta|puntos|saldo|factura|perfil|pago",
        ),
        (
            "ask",
            "podeis|pueden|puede|puedes|podrian|podria|podriais|me|por favor|porfa|les ruego que|ruego que|necesito que|quiero que|solicito que|les pido que",
        ),
    ],
    patterns: &[
        "(?:donde (?:esta|anda|se encuentra|quedo)|que (?:ha pasado|paso|pasa) con|por donde va|como va|en que estado esta) (?:mi|mis|nuestro) <mine>",
        "(?:estado|situacion) de mi <mine>",
        "(?:me (?:habeis|han|ha)|se me ha) (?:cobrado|cargado)<3>(?:dos veces|doble|2 veces|de mas)|cobr\\w+ (?:dos veces|doble)",
        "(?:fecha|cuando)<3>(?:mi|el) (?:proximo|proxima|siguiente) (?:envio|pago|cargo|cobro)<2>(?:de mi) <mine>",
        "(?:mi|mis) <mine>(?: \\w+){0,3} (?:ya )?(?:ha salido|salio|ha llegado|llego|no llega|no se mueve|esta parad[oa]|esta retrasad[oa]|se ha perdido|fue aprobad[oa])",
        "<ask><2>(?:mirar|mirais|miren|revisar|revisen|reviseis|ver|comprobar|comprueben|consultar|confirmar|confirmarme|confirmen|decirme|verificar)<5>(?:mi|mis) (?:\\w+ )?<mine>",
        "<ask><1>(?:cambiar|cambiarme|cambien|modificar|corregir|actualizar|cancelar|cancelen|canceleis|anular|anulen|anuleis|reenviar|borrar|desbloquear)<4>(?:mi|mis|del|nuestro) (?:\\w+ )?<mine>",
        "cuantos puntos (?:tengo(?: (?:ahora|ya|en|hoy|acumulad\\w+)|$)|me quedan|llevo)|mi saldo de puntos|cual es mi saldo",
        "(?:me (?:habeis|han|ha|has)|he sido) cobrad[oa]|(?:me cobraron|me cobrasteis|cobrado)<3>(?:dos veces|doble|2 veces|de mas|otra vez|mal)|cargo duplicado|doble cargo",
        "(?:mirad|mire|miren|mira|revisad|revise|revisen|comprobad|comprueben)<2>(?:mi|mis) <mine>",
        "(?:tenia|tendria|debia|deberia) que? ?(?:haber )?(?:llegado|llegar|entregado)",
        "(?:aun|todavia)? ?no (?:he recibido|me ha llegado|me llego|recibi)<1>mi <mine>",
        "(?:hice|realice|he hecho) un (?:pedido|compra)<8>(?:no he recibido|no llega|ha salido|nada|confirmar)",
    ],
};

/// Compiles the patterns.
pub(super) fn warm_up() {
    LazyLock::force(&ORDER_CODE);
    LazyLock::force(&ORDER_NUMBER);
    LazyLock::force(&RECORD);
    LazyLock::force(&HOW_TO);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> bool {
        ORDER_CODE.is_match(text) || ORDER_NUMBER.found(text) || RECORD.found(text) && !HOW_TO.found(text)
    }

    #[test]
    fn hears_questions_about_ones_own_record() {
        for text in [
            "Where is my parcel?",
            "order number 5512345 never came",
            "you charged me twice this month",
            "can you cancel my order please",
            "onde está minha encomenda?",
            "podem verificar o meu reembolso?",
            "fui cobrado duas vezes",
            "che fine ha fatto il mio pacco?",
            "potete annullare il mio ordine?",
            "¿qué pasó con mi paquete?",
            "¿me pueden cancelar mi suscripción?",
            "AB-123456",
        ] {
            assert!(needs(text), "{text}");
        }
    }

    #[test]
    fn lets_general_questions_pass() {
        for text in [
            "How do I track my order?",
            "can I change my address after ordering?",
            "how long does a refund take?",
            "como cancelo o meu pedido?",
            "onde vejo os meus pontos?",
            "come posso annullare il mio ordine?",
            "¿cómo puedo cancelar mi pedido?",
            "¿dónde veo el estado de mis envíos?",
            "is the WMF 3000 compatible?",
            "código postal 01310",
        ] {
            assert!(!needs(text), "{text}: {:?} {:?}", RECORD.which(text), ORDER_NUMBER.which(text));
        }
    }
}
