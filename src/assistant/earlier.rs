//! What the model was asked in a conversation before, found out again: nothing is kept from one call to the next, and the
//! same conversation over the same knowledge always gives the same prompt.

use std::time::Instant;

use super::{Asked, Assistant, Findings, milliseconds, suffices};
use crate::conversation::{Conversation, Message, Role};
use crate::decision::Mode;
use crate::generation::EarlierTurn;
use crate::retrieval::Rewrite;

/// Part of the time left that finding earlier turns out again may take: they only make the model's reading shorter.
const SHARE: u32 = 4;
/// Turns of a prompt at most, the question's among them. The next prompt begins anew, with what was said before as its
/// history: every turn adds sources that were not found for the question, and a small model loses the thread among many.
const TURNS: usize = 2;

impl Assistant {
    /// The turns right before the question that the model was asked, oldest first. One that was decided without it, by a
    /// check or by a quote, is none of them: there is nothing that the model has read.
    pub(super) async fn earlier(&self, asked: Asked<'_>, found: &mut Findings) -> Vec<EarlierTurn> {
        // What a model searched for would have to be asked again.
        let by_rule = self.parts.retriever.rewrite().0 != Rewrite::Model;
        let mut turns = Vec::new();
        if by_rule && self.parts.drafter.reads_earlier_turns() {
            let started = Instant::now();
            let budget = asked.budget.at_most(asked.budget.remaining() / SHARE);
            let asked = Asked { budget: &budget, ..asked };
            for conversation in answered(asked.conversation) {
                match self.asked_before(asked, conversation, found.public_only).await {
                    Some(turn) => turns.push(turn),
                    None => turns.clear(),
                }
            }
            // Nearly all of it is search.
            found.timings.retrieval += milliseconds(started);
        }
        turns
    }

    /// A turn as the model was asked it, by the steps that the question itself took.
    async fn asked_before(
        &self,
        asked: Asked<'_>,
        conversation: Conversation,
        public_only: bool,
    ) -> Option<EarlierTurn> {
        let understood = self.understand(&conversation, &asked.before.opt_outs, asked.budget).await;
        let then = Asked { conversation: &conversation, understood: &understood, ..asked };
        let mut found = Findings { public_only, ..Findings::default() };
        self.retrieve(then, &mut found).await;
        self.check(then, &mut found);
        let decided = found.unavailable.is_some() || found.escalates() || found.retrieved.is_empty();
        if decided || understood.language != asked.understood.language {
            return None;
        }
        if let (Some(quoter), true) = (&self.parts.quoter, asked.mode != Mode::Draft)
            && suffices(&self.quote(quoter, then, &found).await.0)
        {
            return None;
        }
        let question = understood.question;
        Some(EarlierTurn { conversation, question, retrieved: found.retrieved })
    }
}

/// The answered turns that the prompt of the question goes on from, oldest first: each as the conversation up to what the
/// customer asked. They depend on their place in the conversation alone, so that the prompt of one turn begins as that of
/// the turn before.
fn answered(conversation: &Conversation) -> Vec<Conversation> {
    let customers = |message: &Message| message.role == Role::Customer;
    let spoken: Vec<(usize, &Message)> = conversation
        .messages
        .iter()
        .enumerate()
        .filter(|(_, message)| message.role != Role::System)
        .collect();
    if !spoken.last().is_some_and(|(_, message)| customers(message)) {
        return Vec::new();
    }
    // Where a run of the customer's messages ends and a reply begins.
    let ends: Vec<usize> = spoken
        .windows(2)
        .filter(|pair| customers(pair[0].1) && !customers(pair[1].1))
        .map(|pair| pair[0].0)
        .collect();
    ends[ends.len() - ends.len() % TURNS..]
        .iter()
        .map(|end| Conversation { messages: conversation.messages[..=*end].to_vec(), ..conversation.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Channel;

    const NONE: [usize; 0] = [];

    fn turns(roles: &str) -> Vec<usize> {
        let role = |letter: char| match letter {
            'c' => Role::Customer,
            'a' => Role::Agent,
            'b' => Role::Bot,
            _ => Role::System,
        };
        let messages = roles.char_indices().map(|(at, letter)| Message {
            id: format!("m-{at}"),
            role: role(letter),
            text: "text".into(),
            at: None,
        });
        let conversation = Conversation::new("c", Channel::Api, messages.collect());
        answered(&conversation).into_iter().map(|before| before.messages.len()).collect()
    }

    #[test]
    fn a_prompt_holds_two_turns_and_the_next_begins_anew() {
        assert_eq!(turns("c"), NONE);
        assert_eq!(turns("bc"), NONE, "a greeting answers nothing");
        assert_eq!(turns("cbc"), [1]);
        assert_eq!(turns("cbcac"), NONE);
        assert_eq!(turns("cbcacbc"), [5]);
    }

    #[test]
    fn a_turn_is_all_that_the_customer_wrote() {
        assert_eq!(turns("ccsbacc"), [2]);
        assert_eq!(turns("bcsbsc"), [2]);
        assert_eq!(turns("cbcb"), NONE, "nothing is asked");
        assert_eq!(turns("s"), NONE);
    }
}
