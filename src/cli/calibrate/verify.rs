//! `ponto calibrate verify`: certificates, computed again from the labels beside them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::{Loaded, Printer};
use crate::eval::calibration::{Difference, verify};
use crate::judgement::calibration::{Calibration, CalibrationError, files, labels_beside, of_the_binary};

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
    /// Why nothing could be computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// A calibration, and its labels where they are there.
type Found = Result<(Calibration, Option<Vec<u8>>), CalibrationError>;

pub(super) fn run(config: Loaded, args: Args, printer: Printer) -> anyhow::Result<ExitCode> {
    let mut found = Vec::new();
    if let Some(path) = args.file {
        anyhow::ensure!(path.is_file(), "{} is not there", path.display());
        found.push(of_file(&path));
    } else {
        for (name, calibration, labels) in of_the_binary()? {
            found.push((name, Ok((calibration, labels))));
        }
        if let Some(folder) = config?.judgement.calibrations {
            for path in files(&folder)? {
                found.push(of_file(&path));
            }
        }
    }
    let all: Vec<Verified> = found.into_iter().map(|(name, found)| verified(name, found)).collect();
    printer.json(&serde_json::json!({ "items": all }))?;
    if all.is_empty() {
        printer.line("there is no calibration; `ponto calibrate` makes one");
    }
    for Verified { calibration, equal, certified, differences, problem } in &all {
        if let Some(problem) = problem {
            printer.line(format!("{calibration}: cannot be verified: {problem}"));
        } else if !certified {
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
    let wrong = all.iter().any(Verified::wrong);
    Ok(if wrong { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

impl Verified {
    fn wrong(&self) -> bool {
        self.problem.is_some() || (self.certified && !self.equal)
    }
}

fn of_file(path: &Path) -> (String, Found) {
    let found = Calibration::read(path);
    let found = found.map(|calibration| (calibration, std::fs::read(labels_beside(path)).ok()));
    (path.display().to_string(), found)
}

/// What became of one; what cannot be computed is said and keeps no other from being verified.
fn verified(name: String, found: Found) -> Verified {
    let (certified, computed) = match found {
        Err(error) => (false, Err(error.to_string())),
        Ok((calibration, _)) if calibration.certificate.is_none() => (false, Ok(Vec::new())),
        Ok((calibration, labels)) => {
            let path = labels_beside(Path::new(&name));
            let missing = || format!("its labels are not there: {} is missing", path.display());
            let computed = labels
                .ok_or_else(missing)
                .and_then(|labels| verify(&calibration, &labels, &path).map_err(|error| error.to_string()));
            (true, computed)
        }
    };
    let (differences, problem) = match computed {
        Ok(differences) => (differences, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    Verified {
        calibration: name,
        equal: certified && problem.is_none() && differences.is_empty(),
        certified,
        differences,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judgement::calibration::tests::sample;

    #[test]
    fn what_cannot_be_verified_is_wrong_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = folder.path().join(name);
            sample().save(&path, b"").unwrap();
            path
        };
        let of = |path: &Path| {
            let (name, found) = of_file(path);
            verified(name, found)
        };
        let lacking = put("lacking.json");
        std::fs::remove_file(labels_beside(&lacking)).unwrap();
        let lacking = of(&lacking);
        let problem = lacking.problem.as_deref().unwrap();
        assert!(problem.contains("lacking.labels.csv is missing"), "{problem}");
        assert!(lacking.wrong() && lacking.certified && !lacking.equal);
        let broken = put("broken.json");
        std::fs::write(&broken, "{}").unwrap();
        let broken = of(&broken);
        assert!(
            broken.wrong() && broken.problem.is_some_and(|problem| problem.contains("is no calibration"))
        );
        let plain = folder.path().join("plain.json");
        Calibration { certificate: None, ..sample() }.save(&plain, b"").unwrap();
        assert!(!of(&plain).wrong(), "nothing is sent by it");
    }
}
