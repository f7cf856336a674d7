//! How a fetch is shown: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::Printer;
use crate::inference::models::Progress;

/// Shows a fetch on stderr.
pub(super) struct FetchProgress {
    printer: Printer,
    terminal: bool,
    current: Mutex<Option<Current>>,
}

/// The file that is coming.
struct Current {
    bar: Option<ProgressBar>,
    file: String,
    done: u64,
    total: Option<u64>,
    /// Tenths of the file that have been announced.
    tenths: u64,
}

impl FetchProgress {
    pub(super) fn new(printer: Printer) -> Self {
        let terminal = std::io::stderr().is_terminal() && !printer.is_json();
        Self { printer, terminal, current: Mutex::new(None) }
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for FetchProgress {
    fn note(&self, message: &str) {
        match self.current().as_ref().and_then(|current| current.bar.as_ref()) {
            Some(bar) => bar.suspend(|| self.printer.note(message)),
            None => self.printer.note(message),
        }
    }

    fn start(&self, file: &str, done: u64, total: Option<u64>) {
        self.finish();
        let bar = self.terminal.then(|| bar(file, done, total));
        if bar.is_none() {
            let size = total.map_or_else(String::new, |total| format!(" ({})", HumanBytes(total)));
            let resumed =
                if done > 0 { format!(", going on after {}", HumanBytes(done)) } else { String::new() };
            self.printer.note(format!("fetching {file}{size}{resumed}"));
        }
        let tenths = total.map_or(0, |total| done * 10 / total.max(1));
        *self.current() = Some(Current { bar, file: file.into(), done, total, tenths });
    }

    fn advance(&self, bytes: u64) {
        let mut current = self.current();
        let Some(current) = current.as_mut() else { return };
        current.done += bytes;
        match (&current.bar, current.total) {
            (Some(bar), _) => bar.inc(bytes),
            (None, Some(total)) => {
                let tenths = current.done * 10 / total.max(1);
                if tenths > current.tenths && tenths < 10 {
                    current.tenths = tenths;
                    self.printer.note(format!("  {}: {} %", current.file, tenths * 10));
                }
            }
            (None, None) => {}
        }
    }

    fn finish(&self) {
        if let Some(Current { bar: Some(bar), .. }) = self.current().take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(file: &str, done: u64, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{msg} {spinner} {bytes} {elapsed}",
    };
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(file.to_string());
    bar.set_position(done);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}
