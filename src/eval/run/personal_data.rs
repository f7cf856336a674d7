//! Identifiers of persons, bare or in marked stretches of a text.
//!
//! A bare identifier is found when the whole text is read as what the row says it is, in the country it names: one text
//! may be an invalid CPF and a valid phone number.

use crate::eval::case::Case;
use crate::eval::dataset::rows::{Row, Span};
use crate::personal_data::{Found, Kind, find, readings};

/// Labels of spans that name identifiers; names, places, organisations and dates are no identifiers and are not looked for.
const IDENTIFIERS: [&str; 5] = ["CREDIT_CARD", "PHONE_NUMBER", "EMAIL_ADDRESS", "IBAN_CODE", "US_SSN"];

pub(super) fn case(row: &Row, case: Case) -> Case {
    let found = find(row.text());
    let (due, hits, right, said) = if let Some(spans) = &row.spans {
        let (due, hits, right) = in_spans(row.text(), spans, &found);
        (due, hits, right, found.len())
    } else {
        let (valid, said) = (row.label.as_deref() == Some("valid"), is_read(row));
        let right = usize::from(valid && said);
        (usize::from(valid), right, right, usize::from(said))
    };
    let mut case = case;
    if due > 0 {
        case = case.with("found", hits as f64).with("due", due as f64);
    }
    if said > 0 {
        case = case.with("right", right as f64).with("said", said as f64);
    }
    let kinds: Vec<&str> = found.iter().map(|found| found.kind.name()).collect();
    case.at_fault(hits < due, 2, "an identifier was not found")
        .at_fault(right < said, 1, "taken for personal data")
        .traced("found", if kinds.is_empty() { "nothing".into() } else { kinds.join(", ") })
}

/// Whether the whole text is read as the kind that the row names; as any kind where it names none that is known.
fn is_read(row: &Row) -> bool {
    let text = row.text().trim();
    let kinds = row.kind.as_deref().and_then(kinds);
    let region = row.region.as_deref().filter(|region| *region != "any");
    readings(text).iter().any(|found| {
        found.span == (0..text.len())
            && kinds.is_none_or(|kinds| kinds.contains(&found.kind))
            && region.is_none_or(|region| found.region.is_none_or(|own| own == region))
    })
}

/// The kinds that a name of a set's rows stands for.
fn kinds(name: &str) -> Option<&'static [Kind]> {
    Some(match name {
        "email" => &[Kind::Email],
        "card" | "credit_card" => &[Kind::Card],
        "iban" => &[Kind::Iban],
        "br_cpf" | "cpf" => &[Kind::Cpf],
        "br_cnpj" | "cnpj" => &[Kind::Cnpj],
        "br_cpf_or_cnpj" => &[Kind::Cpf, Kind::Cnpj],
        "pt_nif" => &[Kind::Nif],
        "pt_cc" => &[Kind::CitizenCard],
        "es_dni" => &[Kind::Dni],
        "es_nie" => &[Kind::Nie],
        "es_dni_nie" | "es_nif_nie" => &[Kind::Dni, Kind::Nie],
        "es_nif" => &[Kind::Dni, Kind::Nie, Kind::Cif],
        "es_cif" => &[Kind::Cif],
        "es_ccc" => &[Kind::BankAccount],
        // A company's tax code is its tax number.
        "it_codice_fiscale" => &[Kind::CodiceFiscale, Kind::PartitaIva],
        "it_partita_iva" => &[Kind::PartitaIva],
        "it_carta_identita" => &[Kind::IdentityCard],
        "us_ssn" => &[Kind::Ssn],
        "us_ein" | "gb_utr" => &[Kind::TaxNumber],
        "vat" => &[Kind::VatNumber, Kind::PartitaIva, Kind::Nif, Kind::Cif, Kind::Dni, Kind::Nie, Kind::Cnpj],
        "passport" => &[Kind::Passport],
        "postal_code" => &[Kind::PostalCode],
        "mobile_phone" => &[Kind::Mobile],
        _ if name.starts_with("phone") => &[Kind::Phone, Kind::Mobile],
        _ => return None,
    })
}

/// Identifiers that are marked, those of them that were found, and what was found that lies in any marked span.
fn in_spans(text: &str, spans: &[Span], found: &[Found]) -> (usize, usize, usize) {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let marked: Vec<(bool, String)> = spans
        .iter()
        .map(|span| {
            let value: String =
                text.chars().skip(span.start).take(span.end.saturating_sub(span.start)).collect();
            (span.label.as_str().is_some_and(|label| IDENTIFIERS.contains(&label)), plain(&value))
        })
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let said: Vec<String> = found.iter().map(|found| plain(&text[found.span.clone()])).collect();
    // A phone may be found without its extension, a card with the digits around it: either may hold the other.
    let same = |a: &str, b: &str| a.contains(b) || b.contains(a);
    let due = marked.iter().filter(|(identifier, _)| *identifier);
    let hits = due.clone().filter(|(_, value)| said.iter().any(|own| same(own, value))).count();
    let right = said.iter().filter(|own| marked.iter().any(|(_, value)| same(own, value))).count();
    (due.count(), hits, right)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(row: serde_json::Value) -> Case {
        case(&serde_json::from_value(row).unwrap(), Case::default())
    }

    #[test]
    fn identifiers_are_counted_bare_and_in_spans() {
        let valid = of(json!({"id": "a", "text": "529.982.247-25", "kind": "cpf", "label": "valid"}));
        assert_eq!(
            (valid.measure("found"), valid.measure("due"), valid.measure("right")),
            (Some(1.0), Some(1.0), Some(1.0))
        );
        let invalid = of(json!({"id": "b", "text": "x@y", "kind": "email", "label": "invalid"}));
        assert!(invalid.measures.is_empty(), "{invalid:?}");
        let text = "I am Lu, lu@mail.example.com, ref 4111 1111 1111 1111, card 4111 1111 1111 1111";
        let spans = json!([{"start": 5, "end": 7, "label": "PERSON"}, {"start": 9, "end": 28, "label": "EMAIL_ADDRESS"}]);
        let spans = of(json!({"id": "c", "text": text, "spans": spans}));
        assert_eq!(
            (spans.measure("found"), spans.measure("due")),
            (Some(1.0), Some(1.0)),
            "a name is no identifier"
        );
        assert_eq!(
            (spans.measure("right"), spans.measure("said")),
            (Some(1.0), Some(2.0)),
            "the card is not marked"
        );
    }

    #[test]
    fn a_bare_identifier_is_read_as_what_it_is_said_to_be() {
        // A phone of the United States, and no mobile of Spain.
        let row = |region: &str, label: &str| {
            of(
                json!({"id": "a", "text": "6175550123", "kind": "mobile_phone", "region": region, "label": label}),
            )
        };
        assert_eq!(row("US", "valid").measure("found"), Some(1.0));
        assert!(row("ES", "invalid").measures.is_empty());
        let part =
            of(json!({"id": "b", "text": "\"lu@mail.example.com", "kind": "email", "label": "invalid"}));
        assert!(part.measures.is_empty(), "{part:?}");
    }
}
