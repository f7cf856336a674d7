//! One conversation in, one [`Suggestion`] out, with its trace.
//!
//! The stages run in this order, each on plain data: [`understand`] → retrieval → the message's own policies →
//! generation → judgement → the draft's policies → decision → handoff. A message that decides by itself (it asks for a
//! person, say) costs no model call, and neither does one that quoted sentences answer with certified confidence. Nothing
//! here fails: a part that does not answer in time becomes an escalation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::conversation::{Audience, Clock, Conversation, Ids, Language, WorkspaceId, language};
use crate::decision::policy::opted_out::OptOut;
use crate::decision::policy::{self, DecisionConfig, PolicyInput};
use crate::decision::rollout::{Allowed, RolloutConfig};
use crate::decision::rules::{Policies, RuleMatch, Rules};
use crate::decision::{
    Action, Decision, DecisionInput, DraftFacts, Mode, PolicyCheck, ReasonCode, Unavailable, Verdict, decide,
};
use crate::generation::{Draft, DraftRequest, Drafter, EarlierTurn, RESTART};
use crate::inference::{Budget, InferenceError, ModelInfo};
use crate::judgement::calibration::{CalibrationKey, Standing};
use crate::judgement::{Judge, JudgeInput, Judgement};
use crate::personal_data::PrivacyConfig;
use crate::retrieval::{Retrieved, Retriever, Rewrite, Within};
use crate::store::suggestion::{Suggestion, Timings, TriedQuote};
use crate::store::{Store, StoreError, Suggestions};
use crate::understanding::{self, MessageReader};

mod before;
mod disclosure;
mod earlier;
mod edits;
mod handoff;
mod incoming;
mod quote;
pub mod rollout;
mod stored;
mod suggestion;
mod understand;

use before::Before;
use quote::{adopt, keep, measured, suffices};
pub use stored::stored_feedback;
use understand::Understood;

/// What an assistant is made of.
pub struct AssistantParts {
    /// From a message to its topics.
    pub reader: Arc<MessageReader>,
    /// From a question to passages.
    pub retriever: Arc<Retriever>,
    /// From passages to a draft, and summaries.
    pub drafter: Arc<Drafter>,
    /// Quotes the passages beside the model: a quote that is certified is sent at once, in milliseconds and without
    /// inventing anything, and one that is not is still a draft where the model finds no answer. `None` leaves it to
    /// the drafter.
    pub quoter: Option<Arc<Drafter>>,
    /// How sure a draft may be.
    pub judge: Arc<Judge>,
    /// The preferred chat model; the key of a calibration while no draft says which one wrote it.
    pub chat: ModelInfo,
    /// Floors and limits of the policies.
    pub decision: DecisionConfig,
    /// Rules of the operator's own.
    pub policies: Arc<Policies>,
    /// Audits of automatic replies.
    pub rollout: RolloutConfig,
    /// What is stored as it is, and what with placeholders.
    pub privacy: PrivacyConfig,
    /// Language of the agents' summaries.
    pub agents: Language,
    /// Longest time for one answer.
    pub deadline: Duration,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
}

/// The pipeline.
pub struct Assistant {
    parts: AssistantParts,
}

/// A draft with what was measured in it.
struct Judged {
    draft: Draft,
    judgement: Judgement,
    key: CalibrationKey,
    standing: Standing,
}

impl Judged {
    /// Whether it says anything but that the sources hold no answer.
    fn answers(&self) -> bool {
        !self.draft.production.refused && !self.draft.text.trim().is_empty()
    }
}

/// What one run is about.
#[derive(Clone, Copy)]
struct Asked<'a> {
    workspace: &'a WorkspaceId,
    conversation: &'a Conversation,
    understood: &'a Understood,
    mode: Mode,
    before: &'a Before,
    /// Passages that the index lacked when the call began.
    lacking: usize,
    rules: &'a Rules,
    rollout: &'a Allowed,
    /// Calibrated confidence under which a person takes over.
    floor: f64,
    budget: &'a Budget,
}

/// What one run has found so far.
#[derive(Default)]
struct Findings {
    retrieved: Vec<Retrieved>,
    /// Only what customers may read is searched.
    public_only: bool,
    /// The turns that the model's prompt goes on from.
    earlier: Vec<EarlierTurn>,
    checks: Vec<PolicyCheck>,
    matches: Vec<RuleMatch>,
    judged: Option<Judged>,
    /// What was measured of a quote.
    quote: Option<TriedQuote>,
    unavailable: Option<Unavailable>,
    /// The search itself failed.
    unsearched: bool,
    timings: Timings,
}

impl Findings {
    /// What was found before anything was written.
    fn anew(&self) -> Self {
        Self {
            retrieved: self.retrieved.clone(),
            checks: self.checks.clone(),
            matches: self.matches.clone(),
            timings: self.timings,
            ..Self::default()
        }
    }

    /// What a model has read it may repeat, so its draft is held against the passages of earlier turns too.
    fn add_read_before(&mut self, drafter: &Drafter) {
        for hit in self.earlier.iter().flat_map(|turn| drafter.readable(&turn.retrieved)) {
            if self.retrieved.iter().all(|known| known.passage.id != hit.passage.id) {
                self.retrieved.push(Retrieved::before(hit.passage.clone()));
            }
        }
    }

    /// Adds what another attempt cost.
    fn account_for(&mut self, other: &Self) {
        self.timings.generation += other.timings.generation;
        self.timings.judgement += other.timings.judgement;
        if let (Some(own), Some(other)) = (&mut self.judged, &other.judged) {
            let (spent, more) = (&mut own.draft.production.usage, other.draft.production.usage);
            spent.prompt_tokens += more.prompt_tokens;
            spent.completion_tokens += more.completion_tokens;
        }
    }

    fn decision_input(&self, asked: Asked<'_>) -> DecisionInput {
        let rules = self.matches.iter().map(RuleMatch::check);
        DecisionInput {
            mode: asked.mode,
            rollout: asked.rollout.clone(),
            checks: self.checks.iter().cloned().chain(rules).collect(),
            draft: self.judged.as_ref().map(|judged| facts(judged, &self.checks, asked.floor)),
            already_replied: asked.before.already_replied,
            unavailable: self.unavailable,
        }
    }

    /// Whether a person takes over whatever a draft would say.
    fn escalates(&self) -> bool {
        let rules = self.matches.iter().map(|found| found.verdict);
        self.checks.iter().map(|check| check.verdict).chain(rules).any(|verdict| verdict == Verdict::Escalate)
    }
}

impl Assistant {
    /// An assistant of these parts. Language models and patterns load beside, so that the first answer does not wait.
    pub fn new(parts: AssistantParts) -> Self {
        std::thread::spawn(|| {
            language::warm_up();
            understanding::compile();
            policy::warm_up();
        });
        Self { parts }
    }

    /// Answers and stores the answer, with its trace and event, in one transaction. At most one automatic reply is
    /// ever stored for one customer message.
    pub async fn suggest(
        &self,
        store: &dyn Store,
        workspace: &WorkspaceId,
        conversation: &Conversation,
        mode: Mode,
        deltas: Option<UnboundedSender<String>>,
    ) -> Result<Suggestion, StoreError> {
        let before = Before::read(store, workspace, conversation, self.parts.rollout.default_stage).await?;
        let (mut suggestion, mut input) = self.run(workspace, conversation, mode, &before, deltas).await;
        if suggestion.answer.decision.action == Action::AutoReply {
            // The customer may have opted out, or a slice been demoted, while this was written.
            let now = Before::read(store, workspace, conversation, self.parts.rollout.default_stage).await?;
            if now != before {
                (suggestion, input) = Box::pin(self.run(workspace, conversation, mode, &now, None)).await;
            }
        }
        let stored = |suggestion: &Suggestion| stored::stored(suggestion, &self.parts.privacy);
        match Suggestions::insert(store, &stored(&suggestion)).await {
            // Another call answered the same message meanwhile: this one may only draft.
            Err(StoreError::AlreadyReplied) => {
                input.already_replied = true;
                suggestion.answer.decision = decide(&input);
                suggestion.trace.audit = None;
                suggestion.trace.decided = Some(input);
                for draft in &mut suggestion.answer.drafts {
                    disclosure::take_back(draft);
                }
                Suggestions::insert(store, &stored(&suggestion)).await?;
                Ok(suggestion)
            }
            done => {
                // Another call stored a holding message meanwhile: what is answered is what is stored.
                if !done? && let Some(handoff) = &mut suggestion.answer.handoff {
                    handoff.holding_message = None;
                }
                Ok(suggestion)
            }
        }
    }

    /// Answers without storing anything. Text of the draft goes to `deltas` as it is written, for agents alone.
    pub async fn answer(
        &self,
        workspace: &WorkspaceId,
        conversation: &Conversation,
        mode: Mode,
        deltas: Option<UnboundedSender<String>>,
    ) -> Suggestion {
        self.run(workspace, conversation, mode, &Before::default(), deltas).await.0
    }

    /// Answers a stored conversation again without storing anything: in the mode of the call that it was stored for, and with
    /// the rollout and the opt-outs as they were then.
    pub async fn again(
        &self,
        workspace: &WorkspaceId,
        stored: &Suggestion,
        opt_outs: Vec<OptOut>,
    ) -> Suggestion {
        let before = Before::then(stored, opt_outs);
        self.run(workspace, &stored.conversation, stored.asked_mode(), &before, None).await.0
    }

    async fn run(
        &self,
        workspace: &WorkspaceId,
        conversation: &Conversation,
        mode: Mode,
        before: &Before,
        deltas: Option<UnboundedSender<String>>,
    ) -> (Suggestion, DecisionInput) {
        let started = Instant::now();
        let budget = Budget::of(self.parts.deadline);
        let whole = conversation;
        let read = incoming::read(whole);
        let conversation = read.as_ref();
        let understood = self.understand(conversation, &before.opt_outs, &budget).await;
        let mut found = Findings::default();
        // One set of rules from the message to the handover, whatever is loaded meanwhile.
        let rules = self.parts.policies.rules();
        let rollout = before.allowed(workspace, conversation, &understood);
        let deltas = deltas.filter(|_| rollout.cap(mode) != Mode::Shadow);
        let asked = Asked {
            workspace,
            conversation,
            understood: &understood,
            mode,
            before,
            lacking: self.parts.retriever.lacking(),
            rules: &rules,
            rollout: &rollout,
            floor: self.parts.decision.escalate_below,
            budget: &budget,
        };
        self.retrieve(asked, &mut found).await;
        // What may be sent by itself is written from what customers may read. Where that does not answer, an agent gets
        // a draft from all there is.
        let internal = |hit: &Retrieved| hit.passage.audience == Audience::Agents;
        let all =
            (mode != Mode::Draft && found.retrieved.iter().any(internal)).then(|| found.retrieved.clone());
        found.public_only = mode != Mode::Draft;
        if all.is_some() {
            self.retrieve(asked, &mut found).await;
        }
        // On the heap: two of them would make the future of every caller large.
        let mut input = Box::pin(self.consider(asked, deltas.clone(), &mut found)).await;
        if let Some(retrieved) = all
            && lacks_knowledge(&decide(&input))
        {
            let mut again = Findings { retrieved, timings: found.timings, ..Findings::default() };
            if let Some(deltas) = &deltas {
                // Nobody may be reading any more.
                let _ = deltas.send(RESTART.to_owned());
            }
            input = Box::pin(self.consider(asked, deltas, &mut again)).await;
            keep(found.quote, &mut again);
            found = again;
        }
        let decision = decide(&input);
        let handoff = self.hand_over(asked, &found, &decision).await;
        found.timings.total = milliseconds(started);
        let suggestion = self.suggestion(asked, whole, found, &input, decision, handoff);
        (suggestion, input)
    }

    /// Reads the message. Where a model is to write the query, it is asked for follow-ups alone.
    async fn understand(
        &self,
        conversation: &Conversation,
        opt_outs: &[OptOut],
        budget: &Budget,
    ) -> Understood {
        let (rewrite, longest) = self.parts.retriever.rewrite();
        let mut understood = understand::understand(conversation, rewrite);
        let asked = (conversation, understood.question.as_str());
        understood.understanding = understand::read(&self.parts.reader, asked, opt_outs, budget).await;
        if rewrite == Rewrite::Model
            && let Some(query) = self.parts.drafter.search_query(conversation, budget.at_most(longest)).await
        {
            understood.query = query;
        }
        understood
    }

    /// Checks the message, and writes where it does not decide by itself.
    async fn consider(
        &self,
        asked: Asked<'_>,
        deltas: Option<UnboundedSender<String>>,
        found: &mut Findings,
    ) -> DecisionInput {
        self.check(asked, found);
        if found.unavailable.is_none() && !found.escalates() {
            return self.write(asked, deltas, found).await;
        }
        found.decision_input(asked)
    }

    /// Checks the message.
    fn check(&self, asked: Asked<'_>, found: &mut Findings) {
        let input = self.policy_input(asked, found);
        let (checks, matches) = (policy::check_message(&input), asked.rules.matches(asked.workspace, &input));
        (found.checks, found.matches) = (checks, matches);
        if found.unsearched {
            // Nothing can be said of passages.
            found.checks.retain(|check| check.check != ReasonCode::NothingRelevant);
        }
    }

    async fn retrieve(&self, asked: Asked<'_>, found: &mut Findings) {
        let Asked { workspace, conversation, understood, budget, .. } = asked;
        let started = Instant::now();
        let within = Within { public_only: found.public_only, labels: conversation.labels.clone() };
        let search =
            self.parts.retriever.retrieve_within(workspace, &understood.query, understood.language, &within);
        match tokio::time::timeout(budget.remaining(), search).await {
            Ok(Ok(retrieved)) => found.retrieved = retrieved,
            Ok(Err(error)) => {
                tracing::warn!(%error, "retrieval failed");
                found.unavailable = Some(Unavailable::Index);
                found.unsearched = true;
            }
            Err(_) => {
                found.unavailable = Some(Unavailable::IndexInTime);
                found.unsearched = true;
            }
        }
        found.timings.retrieval += milliseconds(started);
    }

    /// Quotes where that may be sent by itself, and otherwise asks the model. Where the model finds no answer, or fails,
    /// and a quote seems to hold one, an agent gets the quote.
    async fn write(
        &self,
        asked: Asked<'_>,
        deltas: Option<UnboundedSender<String>>,
        found: &mut Findings,
    ) -> DecisionInput {
        let Some(quoter) = &self.parts.quoter else {
            return self.ask(asked, deltas, found).await;
        };
        let before = found.anew();
        let mut quoted = None;
        if asked.mode != Mode::Draft && !asked.before.already_replied {
            let quote = self.quote(quoter, asked, &before).await;
            if suffices(&quote.0) {
                return adopt(quote, found, deltas.as_ref());
            }
            quoted = Some(quote);
        }
        let input = self.ask(asked, deltas.clone(), found).await;
        if decide(&input).action == Action::Escalate {
            let mut quote = match quoted {
                Some(quote) => quote,
                None => self.quote(quoter, asked, &before).await,
            };
            if decide(&quote.1).action == Action::Draft {
                quote.0.account_for(found);
                // It is the draft now, which the trace measures by itself.
                quote.0.quote = None;
                return adopt(quote, found, deltas.as_ref());
            }
            quoted = Some(quote);
        }
        found.quote = quoted.and_then(|(quote, _)| quote.quote);
        input
    }

    async fn quote(
        &self,
        quoter: &Drafter,
        asked: Asked<'_>,
        before: &Findings,
    ) -> (Findings, DecisionInput) {
        let mut quoted = before.anew();
        let input = self.attempt(quoter, asked, None, &mut quoted).await;
        quoted.quote = measured(&quoted, &input);
        (quoted, input)
    }

    /// Asks the model, which may have read the conversation's earlier turns.
    async fn ask(
        &self,
        asked: Asked<'_>,
        deltas: Option<UnboundedSender<String>>,
        found: &mut Findings,
    ) -> DecisionInput {
        found.earlier = self.earlier(asked, found).await;
        self.attempt(&self.parts.drafter, asked, deltas, found).await
    }

    /// Drafts, judges and checks once.
    async fn attempt(
        &self,
        drafter: &Drafter,
        asked: Asked<'_>,
        deltas: Option<UnboundedSender<String>>,
        found: &mut Findings,
    ) -> DecisionInput {
        self.draft(drafter, asked, deltas.clone(), found).await;
        self.apply_rules(asked, deltas.as_ref(), found);
        let drafted = policy::check_draft(&self.policy_input(asked, found));
        found.checks.extend(drafted);
        found.decision_input(asked)
    }

    async fn draft(
        &self,
        drafter: &Drafter,
        asked: Asked<'_>,
        deltas: Option<UnboundedSender<String>>,
        found: &mut Findings,
    ) {
        let Asked { workspace, conversation, understood, budget, .. } = asked;
        let Some(language) = understood.language else { return };
        let question = understood.question.as_str();
        let started = Instant::now();
        let (retrieved, earlier) = (&found.retrieved, &found.earlier);
        let request = DraftRequest { conversation, question, language, retrieved, earlier };
        let drafted = drafter.draft(request, budget.clone(), deltas).await;
        found.timings.generation += milliseconds(started);
        let draft = match drafted {
            Ok(draft) => draft,
            Err(error) => {
                tracing::warn!(%error, "no model drafted");
                found.unavailable = Some(Unavailable::Model);
                return;
            }
        };
        if !draft.production.model.quotes() && !draft.production.refused {
            found.add_read_before(drafter);
        }
        let started = Instant::now();
        let judge = &self.parts.judge;
        let policies = asked.rules.version();
        let input = JudgeInput {
            conversation: Some(conversation),
            workspace,
            question,
            language,
            draft: &draft,
            retrieved: &found.retrieved,
            policies,
            budget,
        };
        let judged = tokio::time::timeout(budget.remaining(), judge.judge(input));
        match judged.await.unwrap_or(Err(InferenceError::DeadlineExceeded)) {
            Ok(judgement) => {
                let key = judge.key(&draft, policies);
                let standing = self.standing(&key, workspace, language, budget).await;
                found.judged = Some(Judged { draft, judgement, key, standing });
            }
            Err(error) => {
                tracing::warn!(%error, "the draft could not be judged");
                found.unavailable = Some(Unavailable::Judgement);
            }
        }
        found.timings.judgement += milliseconds(started);
    }

    /// What the certificate for a key says of a workspace and a language, with the knowledge as it is now. Knowledge that
    /// cannot be looked at in time counts as changed.
    async fn standing(
        &self,
        key: &CalibrationKey,
        workspace: &WorkspaceId,
        language: Language,
        budget: &Budget,
    ) -> Standing {
        let Some((certificate, tolerated)) = self.parts.judge.certificate(key, workspace) else {
            return Standing::Silent;
        };
        if certificate.threshold_for(language).is_none() {
            return Standing::Silent;
        }
        let knowledge = tokio::time::timeout(budget.remaining(), self.parts.retriever.knowledge(workspace));
        let knowledge = match knowledge.await {
            Ok(Ok(knowledge)) => knowledge,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the knowledge could not be compared with the certificate's");
                None
            }
            Err(_) => None,
        };
        certificate.standing(language, knowledge.as_deref(), tolerated)
    }

    /// What the policies may read by now.
    fn policy_input<'a>(&'a self, asked: Asked<'a>, found: &'a Findings) -> PolicyInput<'a> {
        let Asked { conversation, understood, .. } = asked;
        PolicyInput {
            conversation,
            question: &understood.question,
            language: understood.language,
            understanding: &understood.understanding,
            now: self.parts.clock.now(),
            retrieved: &found.retrieved,
            lacking: asked.lacking,
            draft: found.judged.as_ref().map(|judged| &judged.draft),
            judgement: found.judged.as_ref().map(|judged| &judged.judgement),
            opt_outs: &asked.before.opt_outs,
            sent_draft: asked.before.sent_draft.as_ref(),
            config: &self.parts.decision,
        }
    }

    /// The key a calibration needs when the preferred model writes, under the rules in force.
    pub fn calibration_key(&self) -> CalibrationKey {
        self.key_under(&self.parts.policies.rules())
    }

    fn key_under(&self, rules: &Rules) -> CalibrationKey {
        self.parts.judge.key_of(&self.parts.chat, self.parts.drafter.prompt_version(), rules.version())
    }
}

/// A person takes over for no other reason than that no answer was found.
fn lacks_knowledge(decision: &Decision) -> bool {
    // A refusal cites nothing, which is told too.
    let lacks = |code: ReasonCode| code == ReasonCode::Ungrounded || ReasonCode::NO_ANSWER.contains(&code);
    decision.action == Action::Escalate && decision.reasons.iter().all(|reason| lacks(reason.code))
}

/// What the rules may know of a draft.
fn facts(judged: &Judged, checks: &[PolicyCheck], floor: f64) -> DraftFacts {
    let (threshold, lapsed) = bounds(judged.standing);
    let grounded =
        |check: &PolicyCheck| check.check == ReasonCode::Ungrounded && check.verdict == Verdict::Pass;
    DraftFacts {
        citations: judged.draft.citations.len(),
        grounded: checks.iter().any(grounded),
        confidence: judged.judgement.confidence.value,
        calibrated: judged.judgement.confidence.calibrated,
        threshold,
        lapsed,
        floor: (floor > 0.0).then_some(floor),
    }
}

/// The threshold that holds, or the share of the knowledge by whose change it lapsed.
fn bounds(standing: Standing) -> (Option<f64>, Option<f64>) {
    match standing {
        Standing::Certified(threshold) => (Some(threshold), None),
        Standing::Silent => (None, None),
        Standing::Lapsed(drift) => (None, Some(drift)),
    }
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
