//! `ponto calibrate verify`: certificates, computed again from the labels beside them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use crate::cli::{Loaded, Printer};
use crate::eval::calibration::{Difference, verify};
use crate::judgement::calibration::{Calibration, files, labels_beside, of_the_binary};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The calibration [default: those of the binary and of `judgement.calibrations`]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// One calibration's outcome.
#[derive(Debug, Serialize)]
struct Verified {
    calibration: String,
    /// There is a certificate, and calibration and labels confirm all of it.
    equal: bool,
    certified: bool,
    differences: Vec<Difference>,
}

pub(super) fn run(config: Loaded, args: Args, printer: Printer) -> anyhow::Result<ExitCode> {
    let mut found = Vec::new();
    if let Some(path) = args.file {
        found.push(of_file(&path)?);
    } else {
        for (name, calibration, labels) in of_the_binary()? {
            found.push((name, calibration, labels));
        }
        if let Some(folder) = config?.judgement.calibrations {
            for path in files(&folder)? {
                found.push(of_file(&path)?);
            }
        }
    }
    let mut all = Vec::new();
    for (name, calibration, labels) in found {
        let differences = if calibration.certificate.is_some() {
            let path = labels_beside(Path::new(&name));
            let labels = labels.with_context(|| {
                format!("the labels of {name} are not there: {} is missing", path.display())
            })?;
            verify(&calibration, &labels, &path)?
        } else {
            Vec::new()
        };
        all.push(Verified {
            calibration: name,
            equal: differences.is_empty() && calibration.certificate.is_some(),
            certified: calibration.certificate.is_some(),
            differences,
        });
    }
    printer.json(&serde_json::json!({ "items": all }))?;
    if all.is_empty() {
        printer.line("there is no calibration; `ponto calibrate` makes one");
    }
    for Verified { calibration, equal, certified, differences } in &all {
        if !certified {
            printer.line(format!("{calibration}: no certificate; nothing is sent by it"));
        } else if *equal {
            printer.line(format!(
                "{calibration}: equal; the labels give this certificate, and it is of this calibration"
            ));
        } else {
            printer.line(format!("{calibration}: not equal"));
        }
        for Difference { what, stated, computed } in differences {
            printer.line(format!("  {what}: the certificate has {stated}, computed again it is {computed}"));
        }
    }
    let wrong = all.iter().any(|verified| verified.certified && !verified.equal);
    Ok(if wrong { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

fn of_file(path: &Path) -> anyhow::Result<(String, Calibration, Option<Vec<u8>>)> {
    let calibration = Calibration::read(path)?;
    let labels = std::fs::read(labels_beside(path)).ok();
    Ok((path.display().to_string(), calibration, labels))
}
