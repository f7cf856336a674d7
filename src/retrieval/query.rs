//! What to search for: the customer's words, made to stand alone. No model, so it costs nothing and cannot invent.

use super::Rewrite;
use crate::conversation::{Conversation, Language, Role};
use crate::retrieval::analysis::is_stop_word;
use crate::text::{fold_compatible, runs};

/// Runs of customer messages that are looked back over for what a follow-up is about.
const LOOK_BACK: usize = 2;
/// Longest query in characters; what comes first is cut, for the question stands last.
const LONGEST: usize = 600;

/// The query for the newest customer messages, without a model: where one is to write it, this is what stands in for it.
pub fn of(conversation: &Conversation, rewrite: Rewrite) -> String {
    match rewrite {
        Rewrite::None => conversation.pending_question(),
        Rewrite::Rule | Rewrite::Model => standalone(conversation),
    }
}

/// The query for the newest customer messages, by rule.
///
/// Greetings and thanks are left out. A message that cannot be understood alone (one content word or none, a follow-up
/// such as *e para o Rio?*, a short one with a pronoun such as *posso trocá-lo?*) gets the customer's previous question
/// in front. Empty only when the customer wrote nothing.
pub fn standalone(conversation: &Conversation) -> String {
    let language = conversation.locale.as_deref().and_then(Language::from_locale);
    let mut runs = customer_runs(conversation).into_iter();
    let Some(mut query) = runs.next() else { return String::new() };
    for earlier in runs.filter(|run| !content(run, language).is_empty()).take(LOOK_BACK) {
        if !needs_context(&query, language) {
            break;
        }
        query = format!("{earlier}\n{query}");
    }
    let excess = query.chars().count().saturating_sub(LONGEST);
    query.chars().skip(excess).collect::<String>().trim().to_owned()
}

/// Runs of consecutive customer messages, newest first, without courtesies. A run of nothing else is kept as it is
/// only where it is the newest. What the customer had written before people handed the conversation back is a run of its own.
fn customer_runs(conversation: &Conversation) -> Vec<String> {
    let mut runs: Vec<Vec<&str>> = Vec::new();
    let mut inside = false;
    let pending = conversation.pending().len();
    for message in conversation.messages.iter().rev().filter(|message| message.role != Role::System) {
        if message.role != Role::Customer {
            inside = false;
            continue;
        }
        inside &= !(runs.len() == 1 && runs[0].len() == pending);
        match runs.last_mut().filter(|_| inside) {
            Some(run) => run.push(&message.text),
            None => runs.push(vec![&message.text]),
        }
        inside = true;
    }
    runs.into_iter()
        .enumerate()
        .filter_map(|(age, run)| {
            let whole: Vec<&str> =
                run.iter().rev().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
            let bare: Vec<&str> =
                whole.iter().map(|text| without_courtesies(text)).filter(|text| !text.is_empty()).collect();
            match (bare.is_empty(), age) {
                (false, _) => Some(bare.join("\n")),
                (true, 0) => Some(whole.join("\n")),
                (true, _) => None,
            }
        })
        .collect()
}

/// Whether a text means little without what came before it.
fn needs_context(text: &str, language: Option<Language>) -> bool {
    let content = content(text, language);
    let words: Vec<String> = words(text).map(|(word, _)| fold_compatible(word)).collect();
    let begins = |phrases: &str| {
        phrases.split(',').any(|phrase| {
            let phrase: Vec<&str> = phrase.split_whitespace().collect();
            !phrase.is_empty()
                && words.len() >= phrase.len()
                && words.iter().zip(&phrase).all(|(a, b)| a == b)
        })
    };
    let english = if language == Some(Language::En) { ENGLISH_PRONOUNS } else { "" };
    let pronouns = || PRONOUNS.split_whitespace().chain(english.split_whitespace());
    let refers = words.iter().any(|word| pronouns().any(|pronoun| pronoun == word));
    match content.len() {
        0 | 1 => true,
        2..=4 => begins(FOLLOW_UPS) || refers,
        5..=6 => begins(FOLLOW_UPS),
        _ => false,
    }
}

/// Content words of a text; with no language known, those that are content in every language.
fn content(text: &str, language: Option<Language>) -> Vec<String> {
    words(text)
        .map(|(word, _)| word)
        .filter(|word| match language {
            Some(language) => !is_stop_word(word, language),
            None => Language::ALL.into_iter().all(|language| !is_stop_word(word, language)),
        })
        .map(fold_compatible)
        .collect()
}

/// Words of a text with the byte offset where each ends.
fn words(text: &str) -> impl Iterator<Item = (&str, usize)> {
    runs(text).map(move |word| {
        let end = word.as_ptr() as usize - text.as_ptr() as usize + word.len();
        (word, end)
    })
}

/// The text without greetings at its beginning and thanks at its end; empty when there is nothing else.
fn without_courtesies(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(rest) = strip_phrase(text, GREETINGS, false).or_else(|| strip_phrase(text, THANKS, true)) {
        text = rest;
    }
    text
}

/// Takes one of the phrases off the beginning or the end, with the punctuation beside it.
fn strip_phrase<'a>(text: &'a str, phrases: &str, from_end: bool) -> Option<&'a str> {
    let words: Vec<(&str, usize)> = words(text).collect();
    let folded: Vec<String> = words.iter().map(|(word, _)| fold_compatible(word)).collect();
    phrases
        .split(',')
        .map(|phrase| phrase.split_whitespace().collect::<Vec<_>>())
        .filter(|phrase| {
            !phrase.is_empty()
                && if from_end {
                    folded.ends_with(&owned(phrase))
                } else {
                    folded.starts_with(&owned(phrase))
                }
        })
        .map(|phrase| {
            let rest = if from_end {
                let (first, end) = words[words.len() - phrase.len()];
                &text[..end - first.len()]
            } else {
                &text[words[phrase.len() - 1].1..]
            };
            if from_end {
                rest.trim_end_matches(|c: char| c.is_whitespace() || ",;:-–—".contains(c))
            } else {
                rest.trim_start_matches(|c: char| !c.is_alphanumeric() && !"¿¡\"'(".contains(c))
            }
        })
        .min_by_key(|rest| rest.len())
}

fn owned(phrase: &[&str]) -> Vec<String> {
    phrase.iter().map(|word| (*word).to_owned()).collect()
}

const GREETINGS: &str = "oi,ola,ola pessoal,oie,opa,e ai,bom dia,boa tarde,boa noite,tudo bem,tudo bom,como vai,\
    ciao,salve,buongiorno,buon giorno,buonasera,buona sera,buon pomeriggio,come va,\
    hola,buenas,buenos dias,buen dia,buenas tardes,buenas noches,que tal,como estas,\
    hi,hello,hey,hi there,hello there,hey there,good morning,good afternoon,good evening,how are you";

const THANKS: &str = "obrigado,obrigada,muito obrigado,muito obrigada,obg,desde ja obrigado,desde ja obrigada,\
    desde ja agradeco,agradeco,por favor,pfv,grazie,grazie mille,molte grazie,per favore,per cortesia,gracias,\
    muchas gracias,mil gracias,de antemano gracias,thanks,thank you,many thanks,thanks in advance,please";

/// Beginnings of a message that goes on from the one before.
const FOLLOW_UPS: &str = "e,e se,mas,mas e,entao,e quanto,e no caso,e para,e pra,tambem,\
    ma,ma se,allora,quindi,e per,anche,invece,\
    y,y si,pero,entonces,y para,tambien,\
    and,and if,but,so,then,what about,how about,also,or";

/// Words that point back.
const PRONOUNS: &str = "isso isto disso nisso aquilo ele ela eles elas dele dela deles delas nele nela lo la los las trocalo \
    questo quello quella ciò cio ne lo gli esso essa lui lei loro \
    eso esto aquello ello el ella ellos ellas \
    it its that this those these them they their him his she her hers";

/// Words that point back in English alone: *he* is a verb in Spanish.
const ENGLISH_PRONOUNS: &str = "he";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Channel, Labels, Message};

    fn query(locale: &str, turns: &[(Role, &str)]) -> String {
        standalone(&Conversation {
            id: "c".into(),
            channel: Channel::Api,
            locale: (!locale.is_empty()).then(|| locale.to_owned()),
            customer: None,
            labels: Labels::default(),
            handed_back_after: None,
            messages: turns
                .iter()
                .enumerate()
                .map(|(index, (role, text))| Message {
                    id: index.to_string(),
                    role: *role,
                    text: (*text).to_owned(),
                    at: None,
                })
                .collect(),
        })
    }

    #[test]
    fn courtesies_go() {
        use Role::Customer;
        assert_eq!(
            query("pt-BR", &[(Customer, "Olá, bom dia! Em quanto tempo chega meu pedido? Obrigada")]),
            "Em quanto tempo chega meu pedido?"
        );
        assert_eq!(
            query("it", &[(Customer, "Buongiorno"), (Customer, "come faccio un reso?")]),
            "come faccio un reso?"
        );
        assert_eq!(
            query("es", &[(Customer, "Hola buenas, ¿hacen envíos a Canarias? muchas gracias")]),
            "¿hacen envíos a Canarias?"
        );
        assert_eq!(query("en", &[(Customer, "Hi there - where is my order, please")]), "where is my order");
        assert_eq!(query("en", &[(Customer, "History of orders")]), "History of orders");
    }

    #[test]
    fn a_greeting_alone_is_kept() {
        assert_eq!(query("pt", &[(Role::Customer, "Oi!")]), "Oi!");
        assert_eq!(query("pt", &[]), "");
    }

    #[test]
    fn a_follow_up_gets_what_it_follows() {
        use Role::{Agent, Bot, Customer};
        assert_eq!(
            query(
                "pt-BR",
                &[
                    (Customer, "Qual é o prazo de entrega para São Paulo?"),
                    (Bot, "Três dias úteis."),
                    (Customer, "E para o Rio de Janeiro?"),
                ]
            ),
            "Qual é o prazo de entrega para São Paulo?\nE para o Rio de Janeiro?"
        );
        assert_eq!(
            query(
                "en",
                &[
                    (Customer, "I want to return a lamp I bought last week"),
                    (Agent, "What is the order number?"),
                    (Customer, "12345"),
                ]
            ),
            "I want to return a lamp I bought last week\n12345"
        );
        assert_eq!(
            query(
                "es",
                &[
                    (Customer, "¿Cuánto tarda la devolución del dinero?"),
                    (Bot, "Cinco días."),
                    (Customer, "¿y si pagué con tarjeta?"),
                ]
            ),
            "¿Cuánto tarda la devolución del dinero?\n¿y si pagué con tarjeta?"
        );
        assert_eq!(
            query(
                "it",
                &[
                    (Customer, "Vendete biciclette elettriche da montagna?"),
                    (Bot, "Sì."),
                    (Customer, "posso pagare questo a rate?"),
                ]
            ),
            "Vendete biciclette elettriche da montagna?\nposso pagare questo a rate?"
        );
    }

    #[test]
    fn what_people_had_read_is_searched_for_only_where_it_is_followed_up() {
        let search = |asked: &str| {
            let texts = ["I want to talk to a human about delivery to Madeira", asked];
            let messages = texts.iter().enumerate().map(|(at, text)| Message {
                id: at.to_string(),
                role: Role::Customer,
                text: (*text).to_owned(),
                at: None,
            });
            let mut conversation = Conversation::new("c", Channel::Api, messages.collect());
            conversation.locale = Some("en".into());
            conversation.handed_back_after = Some("0".into());
            standalone(&conversation)
        };
        let alone = "Which payment methods does your shop accept online?";
        assert_eq!(search(alone), alone);
        let follow_up = "And to the Azores?";
        assert_eq!(
            search(follow_up),
            format!("I want to talk to a human about delivery to Madeira\n{follow_up}")
        );
    }

    #[test]
    fn pronouns_point_back_in_their_own_language() {
        use Role::{Bot, Customer};
        let earlier = [(Customer, "Who founded the lamp workshop in Braga?"), (Bot, "Ana Reis.")];
        let ask = |locale: &str, text| query(locale, &[earlier[0], earlier[1], (Customer, text)]);
        assert!(ask("en", "When did he open the first shop?").starts_with(earlier[0].1));
        assert_eq!(ask("es", "¿Qué pasa si he perdido mi recibo?"), "¿Qué pasa si he perdido mi recibo?");
    }

    #[test]
    fn a_question_that_stands_alone_is_left_alone() {
        use Role::{Bot, Customer};
        assert_eq!(
            query(
                "pt",
                &[
                    (Customer, "Qual é o prazo de entrega para São Paulo?"),
                    (Bot, "Três dias úteis."),
                    (Customer, "Vocês aceitam pagamento com cartão de crédito parcelado?"),
                ]
            ),
            "Vocês aceitam pagamento com cartão de crédito parcelado?"
        );
    }

    #[test]
    fn long_texts_keep_their_end() {
        let long = format!("{} onde está meu pedido?", "palavra ".repeat(200));
        let query = query("pt", &[(Role::Customer, &long)]);
        assert!(query.chars().count() <= LONGEST);
        assert!(query.ends_with("onde está meu pedido?"));
    }

    #[test]
    fn odd_texts_do_no_harm() {
        for text in ["", "   ", "🙂🙂", "¿?", "İİİ oi", "ola\u{301}", "oi oi oi oi"] {
            query("", &[(Role::Customer, text), (Role::Agent, text), (Role::Customer, text)]);
        }
    }
}
