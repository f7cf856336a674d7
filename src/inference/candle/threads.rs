//! How many cores inference takes.
//!
//! The teams of inference take their number of threads from the environment where no option says another, as candle's
//! own workers do, which spin: more of them than cores makes everything ten times slower. So the number is set once,
//! deliberately, before anything runs.

/// Sets the number of threads of all local inference in this process; 0 takes the cores the process may use.
///
/// # Safety
/// It writes environment variables. Call it first in `main`, while the process has one thread, and once.
pub unsafe fn configure(threads: usize) {
    let threads = if threads == 0 {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    } else {
        threads
    };
    for name in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        if std::env::var_os(name).is_none() {
            // SAFETY: the caller promises that no other thread runs.
            unsafe { std::env::set_var(name, threads.to_string()) };
        }
    }
}
