//! Parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ponto::cli::main()
}
