//! What channels and the law ask of what is sent by itself: reply windows, and opt-outs.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use ponto::conversation::{Channel, Clock, Conversation, Customer, Role};
use ponto::decision::policy::opted_out::OptOut;
use ponto::decision::{Action, Mode, ReasonCode};
use ponto::store::sqlite::SqliteStore;
use ponto::store::suggestion::Which;
use ponto::store::{Page, Suggestions};

use super::{QUESTIONS, Still, certified, codes, conversation, plain, workspace};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holding_message_keeps_to_the_reply_window() {
    let assistant = plain().await;
    for (channel, hours, window, holds) in [
        (Channel::Whatsapp, 1, true, true),
        (Channel::Whatsapp, 25, true, false),
        (Channel::Instagram, 23, true, true),
        (Channel::Instagram, 24, true, false),
        (Channel::Email, 300, false, true),
        (Channel::WebChat, 300, false, true),
        (Channel::Api, 300, false, true),
    ] {
        let heard = Still.now() - TimeDelta::hours(hours);
        let mut wish = conversation(&[(Role::Customer, "I want to talk to a human about my delivery")]);
        (wish.channel, wish.messages[0].at) = (channel, Some(heard));
        let answer = assistant.answer(&workspace(), &wish, Mode::Auto, None).await.answer;
        assert_eq!(answer.decision.action, Action::Escalate, "{channel:?} {hours}");
        let until = answer.reply_window.map(|window| window.send_before);
        assert_eq!(until, window.then(|| heard + TimeDelta::hours(24)), "{channel:?} {hours}");
        let handoff = answer.handoff.unwrap();
        assert_eq!(handoff.holding_message.is_some(), holds, "{channel:?} {hours}");
        let closed = handoff.reasons.iter().find(|reason| reason.code == ReasonCode::ReplyWindowClosed);
        assert_eq!(closed.is_none(), holds, "{channel:?} {hours}: {:?}", handoff.reasons);
        assert!(closed.is_none_or(|reason| !reason.evidence.is_empty()), "{channel:?} {hours}");
    }
}

/// Told by channel and language: in the same conversation, in another one of the same customer, and for somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_opt_out_nothing_is_sent_until_it_is_lifted() {
    let assistant = certified().await;
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("ponto.db")).await.unwrap();
    let stops = ["parar", "STOP", "baja", "unsubscribe"];
    // Every language on one channel, and every other channel in one language.
    let others = [Channel::Instagram, Channel::WebChat, Channel::Email, Channel::Api];
    for (place, channels) in others.iter().map(|other| [Channel::Whatsapp, *other]).enumerate() {
        let ((language, question), stop) = (QUESTIONS[place], stops[place]);
        for channel in channels {
            let name = format!("{channel:?} {language:?}");
            let ask =
                async |id: &str, customer: &str, talk: &[(Role, &str)], lift: &dyn Fn(&mut Conversation)| {
                    let mut asked = conversation(talk);
                    (asked.id, asked.channel) = (format!("{id} {name}"), channel);
                    asked.locale = Some(language.code().into());
                    asked.customer = Some(Customer {
                        id: customer.into(),
                        name: None,
                        attributes: BTreeMap::new(),
                        opted_in_at: None,
                    });
                    lift(&mut asked);
                    let answered =
                        assistant.suggest(&store, &workspace(), &asked, Mode::Auto, None).await.unwrap();
                    (answered.answer.decision.action, codes(&answered))
                };
            let as_is = |_: &mut Conversation| ();
            let customer = format!("u {name}");
            let (action, reasons) = ask("a", &customer, &[(Role::Customer, stop)], &as_is).await;
            assert_eq!(action, Action::Escalate, "{name}");
            assert!(reasons.contains(&ReasonCode::OptedOut), "{name}: {reasons:?}");
            let held = (Action::Draft, vec![ReasonCode::OptedOut]);
            let sent = (Action::AutoReply, vec![]);
            let later = [(Role::Customer, stop), (Role::Bot, "Ok."), (Role::Customer, question)];
            assert_eq!(ask("a", &customer, &later, &as_is).await, held, "{name}");
            // A draft that was held is no opt-out of its own: the hub hands back after the message that was one.
            let back = |asked: &mut Conversation| asked.handed_back_after = Some("m-0".into());
            assert_eq!(ask("a", &customer, &later, &back).await, sent, "{name}: handed back");

            // Nobody answered the message that was one.
            let unanswered = [(Role::Customer, stop), (Role::Customer, question)];
            assert_eq!(ask("a", &customer, &unanswered, &back).await, sent, "{name}: handed back unanswered");

            let elsewhere = [(Role::Customer, question)];
            assert_eq!(ask("b", &customer, &elsewhere, &as_is).await, held, "{name}: the same customer");
            let agreed = |asked: &mut Conversation| {
                asked.customer.as_mut().unwrap().opted_in_at = Some(Still.now() + TimeDelta::hours(1));
            };
            assert_eq!(ask("c", &customer, &elsewhere, &agreed).await, sent, "{name}: opted in again");
            assert_eq!(ask("d", "somebody else", &unanswered, &agreed).await, sent, "{name}: opted in since");
            assert_eq!(ask("e", "somebody else", &elsewhere, &as_is).await, sent, "{name}");
        }
    }
    // Replayed, what was held by an opt-out is held again; one that came later is not looked at.
    let listed = Suggestions::list(&store, &workspace(), Which::default(), Page { after: None, limit: 8 })
        .await
        .unwrap();
    for summary in listed.items {
        let stored = store.get(&workspace(), &summary.id).await.unwrap().unwrap();
        let opt_outs = store.opt_outs(&workspace(), &stored.conversation).await.unwrap();
        let later = opt_outs.iter().cloned().map(|one| OptOut { at: one.at + TimeDelta::hours(1), ..one });
        let unheard = assistant.again(&workspace(), &stored, later.collect()).await.answer.decision.action;
        let again = assistant.again(&workspace(), &stored, opt_outs).await.answer.decision;
        assert_eq!(again, stored.answer.decision, "{}", summary.conversation_id);
        let escalated = again.action == Action::Escalate;
        assert_eq!(unheard, if escalated { Action::Escalate } else { Action::AutoReply });
    }
}
