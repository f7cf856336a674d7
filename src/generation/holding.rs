//! What a customer reads when a person takes over.

use crate::conversation::Language;

/// A fixed message: it says that it is automatic and that a person takes over, and promises no time.
pub fn holding_message(language: Language) -> &'static str {
    match language {
        Language::Pt => {
            "Obrigado pela mensagem. Sou um assistente automático (IA) e passei a conversa a uma pessoa da equipe, que vai responder aqui assim que possível."
        }
        Language::It => {
            "Grazie per il messaggio. Sono un assistente automatico (IA) e ho passato la conversazione a una persona del nostro team, che risponderà qui appena possibile."
        }
        Language::Es => {
            "Gracias por el mensaje. Soy un asistente automático (IA) y he pasado la conversación a una persona del equipo, que responderá aquí en cuanto sea posible."
        }
        Language::En => {
            "Thank you for your message. I am an automated assistant (AI) and have passed this conversation to a member of our team, who will reply here as soon as possible."
        }
    }
}
