//! Whether a backend is worth a try.
//!
//! The rule: a backend rests
//! - as long as it asked to, when it asked to wait (a 429 always does, see [`crate::inference::openai`]);
//! - for `inference.cooldown_s`, when more than half of at least [`CALLS`] attempts of the last [`WINDOW`] failed.
//!
//! A full queue, a prompt that is too long and a caller who gave up are no failures.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::inference::InferenceError;

/// Attempts are counted for so long.
const WINDOW: Duration = Duration::from_mins(1);
/// Fewer attempts than this say nothing.
const CALLS: usize = 5;
/// No backend is left alone for longer, whatever it asked for.
const LONGEST_REST: Duration = Duration::from_mins(10);

/// The recent past of one backend.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When, and whether it failed.
    attempts: VecDeque<(Instant, bool)>,
    rests_until: Option<Instant>,
}

impl Health {
    /// Whether it may be asked at `now`.
    pub(super) fn is_up(&self, now: Instant) -> bool {
        self.state().rests_until.is_none_or(|until| until <= now)
    }

    pub(super) fn succeeded(&self, now: Instant) {
        self.state().record(now, false);
    }

    /// Counts a failure and lets the backend rest where the rule says so.
    pub(super) fn failed(&self, now: Instant, error: &InferenceError, cooldown: Duration) {
        let asked = match error {
            InferenceError::Overloaded { .. }
            | InferenceError::ContextLengthExceeded { .. }
            | InferenceError::Cancelled => return,
            InferenceError::Transient { retry_after, .. } => *retry_after,
            InferenceError::Permanent(_)
            | InferenceError::DeadlineExceeded
            | InferenceError::Malformed(_) => None,
        };
        let mut state = self.state();
        state.record(now, true);
        let failures = state.attempts.iter().filter(|(_, failed)| *failed).count();
        let mostly_failing = state.attempts.len() >= CALLS && 2 * failures > state.attempts.len();
        let rest = asked.into_iter().chain(mostly_failing.then_some(cooldown)).max();
        if let Some(rest) = rest {
            let until = now + rest.min(LONGEST_REST);
            state.rests_until = Some(state.rests_until.map_or(until, |before| before.max(until)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn record(&mut self, now: Instant, failed: bool) {
        self.attempts.push_back((now, failed));
        while self.attempts.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW) {
            self.attempts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(5);

    fn transient(retry_after: Option<u64>) -> InferenceError {
        InferenceError::Transient {
            message: String::new(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn a_backend_that_asks_for_time_gets_it() {
        let (health, now) = (Health::default(), Instant::now());
        health.failed(now, &transient(Some(7)), COOLDOWN);
        assert!(!health.is_up(now + Duration::from_secs(6)));
        assert!(health.is_up(now + Duration::from_secs(7)));
        health.failed(now, &transient(Some(1_000_000)), COOLDOWN);
        assert!(health.is_up(now + LONGEST_REST));
    }

    #[test]
    fn a_backend_that_mostly_fails_rests_and_old_failures_are_forgotten() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..2 {
            health.succeeded(now);
        }
        for _ in 0..2 {
            health.failed(now, &transient(None), COOLDOWN);
        }
        assert!(health.is_up(now), "four attempts say nothing");
        health.failed(now, &transient(None), COOLDOWN);
        assert!(!health.is_up(now), "three of five failed");
        let later = now + WINDOW + Duration::from_secs(1);
        health.failed(later, &transient(None), COOLDOWN);
        assert!(health.is_up(later), "the five are forgotten");
    }

    #[test]
    fn a_full_queue_is_no_failure() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..20 {
            health.failed(now, &InferenceError::Overloaded { queue: 4 }, COOLDOWN);
        }
        assert!(health.is_up(now));
    }
}
