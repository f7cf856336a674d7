//! Arguments of the benches: by position, and `--json` for one JSON object a measurement.

use std::io::Write;

/// What follows `--` on the command line.
pub(crate) struct Arguments {
    positional: Vec<String>,
    /// Whether a program reads the output.
    pub(crate) json: bool,
}

impl Arguments {
    /// Those of this process; `--bench`, which cargo adds, is left out.
    pub(crate) fn read() -> Self {
        let (options, positional): (Vec<String>, Vec<String>) =
            std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
        Self { positional, json: options.iter().any(|option| option == "--json") }
    }

    /// The argument at a position.
    pub(crate) fn at(&self, position: usize) -> Option<&str> {
        self.positional.get(position).map(String::as_str)
    }

    /// The number at a position, or else `default`.
    pub(crate) fn number(&self, position: usize, default: usize) -> usize {
        self.at(position).map_or(default, |text| text.parse().expect("the argument is a whole number"))
    }
}

/// Prints a line; whoever reads may have gone.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
