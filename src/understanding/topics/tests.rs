//! The built-in phrases, topic by topic.

use super::super::phrases::normalise;
use super::{Said, all, names};

fn phrase(name: &str, text: &str) -> Option<String> {
    all().iter().find(|topic| topic.name == name).unwrap().phrase(&Said::of(text, &normalise(text)))
}

fn hears(name: &str, texts: &[&str]) {
    for text in texts {
        assert!(phrase(name, text).is_some(), "{text}");
    }
}

fn lets_pass(name: &str, texts: &[&str]) {
    for text in texts {
        assert!(phrase(name, text).is_none(), "{text}");
    }
}

fn complains(text: &str) -> bool {
    [names::SAFETY, names::LEGAL_THREAT, names::COMPLAINT].iter().any(|name| phrase(name, text).is_some())
}

#[test]
fn hears_the_wish_in_four_languages() {
    hears(
        names::ASKS_FOR_HUMAN,
        &[
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
            "ring me on 0555 0101",
            "can I book a call with an adviser?",
            "liguem para o meu celular, por favor",
            "prefiro que alguém me explique",
            "vorrei un vostro dipendente",
            "il negozio può telefonarmi?",
            "un representante por favor",
            "¿hay un agente de carne y hueso?",
        ],
    );
}

#[test]
fn lets_ordinary_questions_pass() {
    lets_pass(
        names::ASKS_FOR_HUMAN,
        &[
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
            "I got a call back from you this morning, what was it about?",
            "please don't call me, write",
            "I spoke with one of your agents and he said it was fine",
            "você é gente de verdade?",
            "quero mudar de operadora",
            "sei una persona vera?",
            "ieri ho parlato con un operatore e mi ha detto di aspettare",
            "quiero trabajar como representante",
        ],
    );
}

#[test]
fn hears_anger_threats_and_accidents() {
    for text in [
        "my kettle caught fire last night",
        "You'll hear from my lawyer",
        "this is the worst service I have ever seen",
        "a torradeira deu choque na minha mulher",
        "vou entrar na justiça contra vocês",
        "que falta de respeito com o cliente",
        "il tostapane ha preso fuoco",
        "mi rivolgerò a un avvocato",
        "siete dei ladri",
        "la batidora echó humo y chispas",
        "voy a poner una denuncia",
        "menuda vergüenza de tienda",
    ] {
        assert!(complains(text), "{text}");
    }
}

#[test]
fn lets_ordinary_problems_pass() {
    for text in [
        "my parcel arrived damaged, what can I do?",
        "how do I get the burnt taste out of the coffee?",
        "minha xícara chegou quebrada, como troco?",
        "como faço para processar a devolução?",
        "il pacco è arrivato rotto, come faccio il reso?",
        "la taza llegó rota, ¿qué hago?",
        "¿cuánto consumo eléctrico tiene la cafetera?",
    ] {
        assert!(!complains(text), "{text}");
    }
}

#[test]
fn hears_questions_about_ones_own_record() {
    hears(
        names::ACCOUNT_DATA,
        &[
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
        ],
    );
}

#[test]
fn lets_general_questions_pass() {
    lets_pass(
        names::ACCOUNT_DATA,
        &[
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
        ],
    );
}

#[test]
fn what_lifts_a_phrase_counts_for_its_sentence_alone() {
    hears(
        names::ACCOUNT_DATA,
        &[
            "How do I see my points? And has my parcel been shipped?",
            "Bom dia! Cancelem o meu pedido, por favor.",
            "Buongiorno. Controllate il mio ordine, grazie.",
            "Hola, ¿cuándo se acaba mi contrato?",
        ],
    );
    assert!(phrase(names::ACCOUNT_DATA, "How do I cancel my order? How long does a refund take?").is_none());
}

#[test]
fn hears_requests_about_ones_data_also_as_a_question() {
    hears(
        names::DATA_REQUEST,
        &[
            "Can you wipe my profile and everything you have about me?",
            "Olá, podem excluir os meus dados?",
            "Quali informazioni avete su di me?",
            "¿A quién le han dado mis datos?",
            "I withdraw my consent to the use of my e-mail address",
        ],
    );
    lets_pass(
        names::DATA_REQUEST,
        &[
            "How can I download a copy of my data?",
            "Como apago os meus dados?",
            "Come elimino i miei dati?",
            "¿Cómo borro mis datos?",
            "Delete the second item from my basket, please",
        ],
    );
}

#[test]
fn hears_who_wants_no_more_messages() {
    for (heard, not_heard) in [
        (
            // English.
            &[
                "Hi, stop spamming me!",
                "STOP",
                "stop thanks",
                "Stop, please.",
                "STOPALL",
                "stop all of this now",
                "unsubscribe, thank you",
                "cancel",
                "QUIT",
                "how long do I have to ask you to stop texting me",
                "How many times must I tell you to stop sending these?",
            ][..],
            &[
                "How do I unsubscribe?",
                "How can I stop getting your newsletter?",
                "Which stop is nearest?",
                "Cancel my order, please",
                "Stop all deliveries until Monday, please",
                "Cancel?",
            ][..],
        ),
        (
            // Portuguese.
            &[
                "Nunca autorizei publicidade de vocês",
                "Sair",
                "SAIR, obrigada",
                "Olá, parar por favor",
                "stop obrigado",
                "Sair da lista",
                "cancelar",
                "Chega!",
                "Não sei como me faço entender, parem de me mandar mensagens",
            ],
            &[
                "Não me mandem o azul, mandem o vermelho",
                "Quero cancelar o pedido",
                "Cancelar o pedido 1234",
                "Chega quando?",
                "Chega?",
                "Sair de casa com a máquina ligada é perigoso?",
                "A máquina aquece demais. Sair água é normal?",
                "Vocês pararam de enviar para os Açores?",
            ],
        ),
        (
            // Italian.
            &[
                "Buonasera. Lasciatemi in pace.",
                "stop grazie",
                "Basta!",
                "Smettetela",
                "Basta con questi messaggi",
                "basta mandarmi mesaggi",
                "Basta scrivermi",
                "Come devo dirvelo, smettete di scrivermi",
            ],
            &[
                "basta premere il tasto?",
                "Per il reso basta inviare una mail?",
                "Basta scrivere all'assistenza per cambiare indirizzo?",
                "Se serve altro basta scrivermi",
                "Basta così, grazie",
                "basta, grazie, e il rimborso quando arriva?",
            ],
        ),
        (
            // Spanish.
            &[
                "Hola, denme de baja",
                "BAJA",
                "Baja ya, gracias",
                "stop gracias",
                "Baja de la lista",
                "Cancelar",
                "¡Basta!",
                "Parad ya con las promociones",
                "ya no sé cómo se lo tengo que decir, dejen de mandarme mensajes",
            ],
            &[
                "No envíen el paquete el lunes",
                "La cafetera falla. Baja mucho la temperatura.",
                "Baja presión en la cafetera",
                "¿Basta con enviar el formulario?",
                "¿Dejaron de enviar a Canarias?",
                "Quiero cancelar el pedido",
            ],
        ),
    ] {
        hears(names::OPT_OUT, heard);
        lets_pass(names::OPT_OUT, not_heard);
    }
}
