//! A certificate, computed again from the labels beside it.

use std::collections::BTreeSet;
use std::path::Path;

use super::certify::{Target, certify};
use super::fits;
use super::labels::{Half, Label, from_csv, hash_of};
use super::plan::plan;
use crate::eval::EvalError;
use crate::judgement::calibration::{Calibration, Certificate, GroupCertificate, Split};

/// Numbers that differ by less are equal: a file writes them in decimals.
const EQUAL: f64 = 1e-9;

/// Something that a certificate says, and its calibration or its labels do not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What.
    pub what: String,
    /// As the certificate has it.
    pub stated: String,
    /// As the calibration and its labels have it.
    pub computed: String,
}

/// What a calibration, and the labels as they lie in the file `path`, do not confirm of its certificate; nothing where they
/// confirm all of it, or where there is none.
///
/// The calibration is held against the hashes of what was certified. Everything behind the labels' probabilities is
/// computed again: the halves where a hash made them, the plan with its simulations, the tests and the bounds; no reply may
/// count twice (ids are those of a set, so two sets may have the same). Which rows came from which set, or were drawn for an audit, is taken as the table has it, and so is what
/// made a reply acceptable, and its probability; `ponto calibrate` on the same set makes all of it anew.
pub fn verify(calibration: &Calibration, csv: &[u8], path: &Path) -> Result<Vec<Difference>, EvalError> {
    let Some(certificate) = &calibration.certificate else { return Ok(Vec::new()) };
    let labels = from_csv(csv, path)?;
    let mut differences = Vec::new();
    let mut compare = |what: &str, stated: String, computed: String| {
        if stated != computed {
            differences.push(Difference { what: what.to_owned(), stated, computed });
        }
    };
    let none = || "nothing".to_owned();
    let origin = &certificate.origin;
    for (part, hash) in calibration.hashes() {
        let stated = origin.hashes.get(&part).cloned().unwrap_or_else(none);
        compare(&format!("hash of the calibration's {part}"), stated, hash);
    }
    compare("hash of the labels", origin.labels_hash.clone(), hash_of(csv));
    let two_sets = matches!(origin.split, Split::Sets);
    let id = |label: &Label| (two_sets && label.half == Half::Certify, label.id.clone());
    let ids: BTreeSet<(bool, String)> = labels.iter().map(id).collect();
    compare("rows that are there again", "0".into(), (labels.len() - ids.len()).to_string());
    if let Split::Hash(share) = origin.split {
        let moved = labels
            .iter()
            .filter(|label| fits(&label.id, share, origin.seed) != (label.half == Half::Fit))
            .count();
        compare("rows in the other half", "0".into(), moved.to_string());
    }
    let target = Target { alpha: certificate.alpha, delta: certificate.delta };
    let fit: Vec<Label> = labels.iter().filter(|label| label.half == Half::Fit).cloned().collect();
    let groups = plan(&fit, labels.len() - fit.len(), target, origin.seed);
    let certification = certify(&groups, &labels, target, origin);
    let Some(computed) = certification.certificate else {
        compare("certified groups", certificate.groups.len().to_string(), none());
        return Ok(differences);
    };
    compare("certifying rows", certificate.rows.to_string(), computed.rows.to_string());
    compare("base error", decimals(certificate.base_error), decimals(computed.base_error));
    let of = |groups: &[GroupCertificate], at: usize| groups.get(at).map_or_else(none, group_text);
    for at in 0..certificate.groups.len().max(computed.groups.len()) {
        compare(&format!("group {}", at + 1), of(&certificate.groups, at), of(&computed.groups, at));
    }
    let mut languages: Vec<_> = certificate.by_language.keys().chain(computed.by_language.keys()).collect();
    languages.sort();
    languages.dedup();
    for language in languages {
        let text = |certificate: &Certificate| {
            certificate.by_language.get(language).map_or_else(none, |share| {
                format!("{} errors in {}, at most {}", share.errors, share.n, decimals(share.upper_bound))
            })
        };
        compare(language.code(), text(certificate), text(&computed));
    }
    Ok(differences)
}

fn group_text(group: &GroupCertificate) -> String {
    let languages: Vec<&str> = group.languages.iter().map(|language| language.code()).collect();
    format!(
        "{} from {} on: {} errors in {}, at most {} at level {}, coverage {}",
        languages.join(", "),
        decimals(group.threshold),
        group.errors,
        group.n,
        decimals(group.upper_bound),
        decimals(1.0 - group.delta),
        decimals(group.coverage)
    )
}

/// A number, so that equal ones read alike.
fn decimals(number: f64) -> String {
    format!("{:.9}", (number / EQUAL).round() * EQUAL)
}

#[cfg(test)]
mod tests {
    use super::super::labels::to_csv;
    use super::super::study::{study, tests::made};
    use super::super::tests::{origin, simulated, subject};
    use super::super::{Example, Sample};
    use super::*;

    fn differences(change: impl FnOnce(&mut Calibration, &mut Vec<Label>)) -> Vec<String> {
        let made = made(3000, 0.1);
        let (mut calibration, mut labels) = (made.study.calibration, made.labels);
        change(&mut calibration, &mut labels);
        let csv = to_csv(&labels).unwrap();
        let found = verify(&calibration, &csv, Path::new("x.labels.csv")).unwrap();
        found.into_iter().map(|difference| difference.what).collect()
    }

    fn certificate(calibration: &mut Calibration) -> &mut Certificate {
        calibration.certificate.as_mut().unwrap()
    }

    #[test]
    fn what_was_made_is_confirmed_after_reading_it_back() {
        assert_eq!(differences(|_, _| ()), Vec::<String>::new());
        let read_back = |calibration: &mut Calibration, _: &mut Vec<Label>| {
            *calibration = serde_json::from_str(&serde_json::to_string(calibration).unwrap()).unwrap();
        };
        assert_eq!(differences(read_back), Vec::<String>::new());
    }

    #[test]
    fn what_was_changed_in_the_calibration_is_named() {
        type Change = fn(&mut Calibration);
        let changes: [(&str, Change); 7] = [
            ("key", |calibration| calibration.key.model = "another".into()),
            ("workspace", |calibration| calibration.workspace.0.push('2')),
            ("intercept", |calibration| calibration.intercept += 3.0),
            ("language_intercepts", |calibration| calibration.language_intercepts.clear()),
            ("weights", |calibration| *calibration.weights.get_mut("support").unwrap() += 1e-6),
            ("missing", |calibration| *calibration.missing.get_mut("support").unwrap() += 1e-6),
            ("isotonic", |calibration| calibration.isotonic[0].probability = 0.0),
        ];
        for (part, change) in changes {
            let found = differences(|calibration, _| change(calibration));
            assert_eq!(found, [format!("hash of the calibration's {part}")]);
        }
    }

    #[test]
    fn a_row_that_counts_twice_is_noticed() {
        let found = differences(|calibration, labels| {
            let row = labels.iter().find(|label| label.half == Half::Certify && label.acceptable);
            let row = row.unwrap().clone();
            labels.push(row);
            certificate(calibration).origin.labels_hash = hash_of(&to_csv(labels).unwrap());
        });
        assert!(found.contains(&"rows that are there again".to_owned()), "{found:?}");
    }

    #[test]
    fn two_sets_may_number_their_rows_alike() {
        let numbered = |seed| {
            let rows = simulated(1500, seed).into_iter().enumerate();
            rows.map(|(at, example)| Example { id: format!("q{at}"), ..example }).collect::<Vec<_>>()
        };
        let verified = |certify: Vec<Example>| {
            let sample = Sample { fit: numbered(21), certify, split: Split::Sets };
            let made = study(&sample, &subject(), Target { alpha: 0.1, delta: 0.05 }, origin()).unwrap();
            assert!(made.study.calibration.certificate.is_some());
            let found = verify(&made.study.calibration, &made.csv, Path::new("x.labels.csv")).unwrap();
            found.into_iter().map(|difference| difference.what).collect::<Vec<_>>()
        };
        assert_eq!(verified(numbered(22)), Vec::<String>::new());
        let mut twice = numbered(22);
        twice.push(twice[0].clone());
        assert_eq!(verified(twice), ["rows that are there again"]);
    }

    #[test]
    fn a_label_that_was_changed_is_noticed() {
        let found = differences(|_, labels| {
            let wrong = labels.iter_mut().filter(|label| label.half == Half::Certify && !label.acceptable);
            wrong.for_each(|label| label.acceptable = true);
        });
        assert!(found.contains(&"hash of the labels".to_owned()) && found.len() > 1, "{found:?}");
    }

    #[test]
    fn rows_that_changed_sides_and_a_lower_threshold_are_noticed() {
        let found = differences(|calibration, labels| {
            let row = labels.iter_mut().find(|label| label.half == Half::Certify).unwrap();
            row.half = Half::Fit;
            row.cross_fitted = Some(row.probability);
            certificate(calibration).origin.labels_hash = hash_of(&to_csv(labels).unwrap());
        });
        assert!(found.contains(&"rows in the other half".to_owned()), "{found:?}");
        let found = differences(|calibration, _| certificate(calibration).groups[0].threshold -= 0.05);
        assert_eq!(found, ["hash of the calibration's certificate", "group 1"]);
    }
}
