//! What a person has to confirm.

use std::io::{BufRead, IsTerminal};

use super::Printer;

/// Asks the person at the terminal; whoever has no terminal says --yes.
pub(super) fn confirmed(printer: Printer, what: &str) -> anyhow::Result<bool> {
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "{what} is confirmed by a person; add --yes where nobody can be asked"
    );
    printer.note("Write yes to go on:");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
