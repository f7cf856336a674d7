//! The threads that compute one forward pass together.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// How far back long work stands (nice(2)): a third of the time of another thread where both want the same core.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// A few threads that share the parts of a piece of work, whoever is free taking the next.
#[derive(Debug)]
pub struct Team {
    pool: ThreadPool,
}

impl Team {
    /// A team of so many threads, the caller's own not among them; 0 takes every core.
    pub fn new(name: &'static str, threads: usize) -> Result<Self, ThreadPoolBuildError> {
        Ok(Self { pool: builder(name, threads).build()? })
    }

    /// As [`Self::new`], for long work that lets other threads go first.
    pub fn behind_others(name: &'static str, threads: usize) -> Result<Self, ThreadPoolBuildError> {
        Ok(Self { pool: builder(name, threads).start_handler(|_| step_back()).build()? })
    }

    /// Runs `work` on one of the team; it is there that [`share`] is quick.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }
}

fn builder(name: &'static str, threads: usize) -> ThreadPoolBuilder {
    ThreadPoolBuilder::new().num_threads(threads).thread_name(move |index| format!("{name}-{index}"))
}

/// Lowers the calling thread's priority: what is short and waited for, a search or a page, runs before a long draft.
/// With Linux alone, where it is a thread that is nice; where it is refused the thread stays as it was.
fn step_back() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICE);
}

/// Calls `work` for every part from 0 up to `parts`, on the threads of the team that runs the caller.
pub fn share(parts: usize, work: impl Fn(usize) + Sync) {
    let threads = rayon::current_num_threads().min(parts);
    if threads <= 1 {
        (0..parts).for_each(work);
        return;
    }
    let next = AtomicUsize::new(0);
    let take = || {
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return;
            }
            work(part);
        }
    };
    spread(threads, &take);
}

fn spread(threads: usize, take: &(impl Fn() + Sync)) {
    if threads == 1 {
        take();
    } else {
        rayon::join(|| spread(threads / 2, take), || spread(threads - threads / 2, take));
    }
}

/// Rows that stay on the calling thread: to share so few takes longer than to compute them.
const FEW: usize = 8;
/// Fewest rows that a thread takes at once.
const RUN: usize = 4;

/// Calls `work` for everything that `rows` gives. A few rows stay on the calling thread.
pub fn each<I: IndexedParallelIterator>(rows: I, work: impl Fn(I::Item) + Send + Sync) {
    let run = if rows.len() < FEW { FEW } else { RUN };
    rows.with_min_len(run).for_each(work);
}

/// Calls `work` for every row of `x`, with its number. A few rows stay on the calling thread.
pub fn each_row(x: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Send + Sync) {
    each(x.par_chunks_exact_mut(width).enumerate(), |(row, x)| work(row, x));
}

/// Where several threads write, each its own part.
#[derive(Debug)]
pub(super) struct Shared<T>(*mut T);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<T> {}

// SAFETY: a pointer alone; who reads and writes through it says why it may.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// To what begins at `first`.
    pub(super) fn new(first: *mut T) -> Self {
        Self(first)
    }

    /// The place `offset` elements on, which the caller knows to be inside.
    pub(super) fn at(self, offset: usize) -> *mut T {
        self.0.wrapping_add(offset)
    }
}
