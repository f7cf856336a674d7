//! A certificate, computed again from the labels beside it.

use std::path::Path;

use super::certify::{Target, certify};
use super::fits;
use super::labels::{Half, Label, from_csv, hash_of};
use super::plan::plan;
use crate::eval::EvalError;
use crate::judgement::calibration::{Certificate, GroupCertificate, Split};

/// Numbers that differ by less are equal: a file writes them in decimals.
const EQUAL: f64 = 1e-9;

/// Something that a certificate says and its labels do not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What.
    pub what: String,
    /// As the certificate has it.
    pub stated: String,
    /// As the labels have it.
    pub computed: String,
}

/// What the labels, as they lie in the file `path`, do not confirm of a certificate; nothing where they confirm all of it.
///
/// Everything behind the labels' probabilities is computed again: the halves, the plan with its simulations, the tests and
/// the bounds. What made a reply acceptable, and its probability, is taken as the table has it; `ponto calibrate` on the
/// same set makes both anew.
pub fn verify(certificate: &Certificate, csv: &[u8], path: &Path) -> Result<Vec<Difference>, EvalError> {
    let labels = from_csv(csv, path)?;
    let mut differences = Vec::new();
    let mut compare = |what: &str, stated: String, computed: String| {
        if stated != computed {
            differences.push(Difference { what: what.to_owned(), stated, computed });
        }
    };
    let origin = &certificate.origin;
    compare("hash of the labels", origin.labels_hash.clone(), hash_of(csv));
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
    let none = || "nothing".to_owned();
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
    use super::super::study::tests::made;
    use super::*;

    fn differences(change: impl FnOnce(&mut Certificate, &mut Vec<Label>)) -> Vec<String> {
        let made = made(3000, 0.1);
        let mut certificate = made.study.calibration.certificate.unwrap();
        let mut labels = made.labels;
        change(&mut certificate, &mut labels);
        let csv = to_csv(&labels).unwrap();
        let found = verify(&certificate, &csv, Path::new("x.labels.csv")).unwrap();
        found.into_iter().map(|difference| difference.what).collect()
    }

    #[test]
    fn what_was_made_is_confirmed_after_reading_it_back() {
        assert_eq!(differences(|_, _| ()), Vec::<String>::new());
        let read_back = |certificate: &mut Certificate, _: &mut Vec<Label>| {
            *certificate = serde_json::from_str(&serde_json::to_string(certificate).unwrap()).unwrap();
        };
        assert_eq!(differences(read_back), Vec::<String>::new());
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
        let found = differences(|certificate, labels| {
            let row = labels.iter_mut().find(|label| label.half == Half::Certify).unwrap();
            row.half = Half::Fit;
            row.cross_fitted = Some(row.probability);
            certificate.origin.labels_hash = hash_of(&to_csv(labels).unwrap());
        });
        assert!(found.contains(&"rows in the other half".to_owned()), "{found:?}");
        let found = differences(|certificate, _| certificate.groups[0].threshold -= 0.05);
        assert_eq!(found, ["group 1"]);
    }
}
