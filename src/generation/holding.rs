//! What a customer reads when a person takes over.

use crate::conversation::Language;

/// A fixed message: it says that it is automatic and who has the conversation now, and promises nothing, neither an answer
/// nor a time.
pub fn holding_message(language: Language) -> &'static str {
    match language {
        Language::Pt => {
            "Obrigado pela mensagem. Sou um assistente automático (IA) e passei a conversa às pessoas da nossa equipe."
        }
        Language::It => {
            "Grazie per il messaggio. Sono un assistente automatico (IA) e ho passato la conversazione alle persone del nostro team."
        }
        Language::Es => {
            "Gracias por el mensaje. Soy un asistente automático (IA) y he pasado la conversación a las personas de nuestro equipo."
        }
        Language::En => {
            "Thank you for your message. I am an automated assistant (AI) and have passed this conversation to the people of our team."
        }
    }
}
