//! One thread that owns the encoder, behind a bounded queue.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::super::super::{InferenceError, Purpose};
use super::super::team::Team;
use super::EmbedderOptions;
use super::encoder::Encoder;
use super::tokens::Tokens;

/// Tokens of one packed batch: enough to keep the cores busy, few enough that a question waits a fraction of a second
/// while documents are being loaded.
const BATCH_TOKENS: usize = 512;

type Reply = oneshot::Sender<Result<Vec<Vec<f32>>, InferenceError>>;

/// The handle of the thread; dropping it lets the thread end.
#[derive(Debug)]
pub(super) struct Worker {
    // A `Sender` is not `Sync` on every supported compiler; sending is rare next to the work itself.
    jobs: Mutex<Sender<Job>>,
    free: Arc<Semaphore>,
    queue: usize,
}

/// One call.
struct Job {
    texts: Vec<String>,
    purpose: Purpose,
    reply: Reply,
    permit: OwnedSemaphorePermit,
}

/// A call in progress.
struct Running {
    tokens: Vec<Vec<u32>>,
    vectors: Vec<Vec<f32>>,
    purpose: Purpose,
    reply: Reply,
    _permit: OwnedSemaphorePermit,
}

impl Worker {
    pub(super) fn start(encoder: Encoder, tokens: Tokens, options: EmbedderOptions) -> Result<Self, String> {
        let team = Team::new("embed", options.threads.map_or(0, NonZeroUsize::get))
            .map_err(|error| format!("its threads cannot be started: {error}"))?;
        let (sender, receiver) = channel();
        std::thread::Builder::new()
            .name("embedder".into())
            .spawn(move || Loop { encoder, tokens, team, running: VecDeque::new() }.run(&receiver))
            .map_err(|error| format!("its thread cannot be started: {error}"))?;
        let queue = options.queue;
        Ok(Self { jobs: Mutex::new(sender), free: Arc::new(Semaphore::new(queue)), queue })
    }

    pub(super) async fn embed(
        &self,
        texts: Vec<String>,
        purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, InferenceError> {
        let permit = Arc::clone(&self.free)
            .try_acquire_owned()
            .map_err(|_| InferenceError::Overloaded { queue: self.queue })?;
        let (reply, answer) = oneshot::channel();
        let gone = || InferenceError::Permanent("the embedder's thread has ended; restart Ponto".into());
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(Job { texts, purpose, reply, permit })
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

struct Loop {
    encoder: Encoder,
    tokens: Tokens,
    team: Team,
    running: VecDeque<Running>,
}

impl Loop {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            if self.running.is_empty() {
                let Ok(job) = jobs.recv() else { return };
                self.admit(job);
            }
            while let Ok(job) = jobs.try_recv() {
                self.admit(job);
            }
            // Nobody waits for these any more.
            self.running.retain(|running| !running.reply.is_closed());
            self.step();
        }
    }

    fn admit(&mut self, job: Job) {
        let Job { texts, purpose, reply, permit } = job;
        let tokens = &self.tokens;
        let encoded: Result<Vec<Vec<u32>>, String> =
            self.team.run(|| texts.par_iter().map(|text| tokens.encode(text, purpose)).collect());
        match encoded {
            Ok(tokens) => {
                let vectors = Vec::with_capacity(tokens.len());
                self.running.push_back(Running { tokens, vectors, purpose, reply, _permit: permit });
            }
            // The caller may have gone; then nobody needs the answer.
            Err(error) => drop(reply.send(Err(InferenceError::Permanent(error)))),
        }
    }

    /// Runs one batch: questions if there are any, in the order of arrival.
    fn step(&mut self) {
        let is_query = |running: &Running| running.purpose == Purpose::Query;
        let purpose = if self.running.iter().any(is_query) { Purpose::Query } else { Purpose::Passage };
        let mut batch: Vec<&[u32]> = Vec::new();
        let mut taken = Vec::new();
        let mut total = 0;
        for (index, running) in
            self.running.iter().enumerate().filter(|(_, running)| running.purpose == purpose)
        {
            for tokens in &running.tokens[running.vectors.len()..] {
                if !batch.is_empty() && total + tokens.len() > BATCH_TOKENS {
                    break;
                }
                total += tokens.len();
                batch.push(tokens);
                taken.push(index);
            }
        }
        if batch.is_empty() {
            return;
        }
        let (encoder, team) = (&self.encoder, &self.team);
        match team.run(|| encoder.encode(&batch)) {
            Ok(vectors) => {
                for (index, vector) in taken.into_iter().zip(vectors) {
                    self.running[index].vectors.push(vector);
                }
            }
            Err(error) => {
                taken.dedup();
                for index in taken.into_iter().rev() {
                    if let Some(running) = self.running.remove(index) {
                        let _ = running.reply.send(Err(InferenceError::Permanent(error.clone())));
                    }
                }
            }
        }
        let (done, left): (VecDeque<Running>, VecDeque<Running>) =
            self.running.drain(..).partition(|running| running.vectors.len() == running.tokens.len());
        self.running = left;
        for running in done {
            let _ = running.reply.send(Ok(running.vectors));
        }
    }
}
