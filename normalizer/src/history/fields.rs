//! In which fields two states of a record differ. Pure.

use proto::admin::v1::FieldChange;
use proto::body::Body;
use proto::kind::RecordKind;
use serde_json::{Map, Value};

use crate::error::Error;

const DAMAGED: Error = Error::Damaged { what: "record" };

/// A record's content as JSON, lowerCamelCase, absent values as null.
fn json(kind: RecordKind, body: &[u8]) -> Result<Map<String, Value>, Error> {
    let body = Body::decode(kind, body).map_err(|_| DAMAGED)?;
    match body.map(serde_json::to_value) {
        None => Ok(Map::new()),
        Some(Ok(Value::Object(fields))) => Ok(fields),
        Some(_) => Err(DAMAGED),
    }
}

/// What differs between two states of a record.
pub(crate) fn differences(
    kind: RecordKind,
    from: &[u8],
    to: &[u8],
) -> Result<Vec<FieldChange>, Error> {
    let (from, to) = (json(kind, from)?, json(kind, to)?);
    // Both have every field of the message, in its order.
    let both = from.into_iter().zip(to);
    let differing = both.filter(|((_, from), (_, to))| from != to);
    let change = |((field, from), (_, to))| {
        let (from, to) = match (from, to) {
            (Value::Array(from), Value::Array(to)) => (lacks(&to, &from), lacks(&from, &to)),
            (from, to) => (text(&from), text(&to)),
        };
        FieldChange { field, from, to }
    };
    Ok(differing.map(change).collect())
}

/// What `list` holds and the other one doesn't.
fn lacks(other: &[Value], list: &[Value]) -> Option<String> {
    let more = list.iter().filter(|v| !other.contains(v));
    let more: Vec<String> = more.filter_map(text).collect();
    (!more.is_empty()).then(|| more.join(", "))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => Some(brief(fields).to_string()),
        other => Some(other.to_string()),
    }
}

/// Without what says nothing.
fn brief(fields: &Map<String, Value>) -> Value {
    let says = |v: &Value| !v.is_null() && v.as_array().is_none_or(|list| !list.is_empty());
    let said = fields.iter().filter(|(_, v)| says(v));
    Value::Object(said.map(|(k, v)| (k.clone(), v.clone())).collect())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::inventory::v1::{AssignedLicense, LicenseAssignmentState, User};

    use super::*;

    fn user(city: Option<&str>, skus: &[&str]) -> User {
        User {
            user_id: "u".into(),
            city: city.map(str::to_owned),
            account_enabled: Some(city.is_some()),
            assigned_licenses: skus
                .iter()
                .map(|sku| AssignedLicense {
                    sku_id: (*sku).to_owned(),
                    disabled_plans: Vec::new(),
                })
                .collect(),
            ..User::default()
        }
    }

    fn told(from: &User, to: &User) -> Vec<(String, String, String)> {
        let (from, to) = (from.encode_to_vec(), to.encode_to_vec());
        let all = differences(RecordKind::User, &from, &to).unwrap();
        all.into_iter()
            .map(|f| {
                (
                    f.field,
                    f.from.unwrap_or("-".into()),
                    f.to.unwrap_or("-".into()),
                )
            })
            .collect()
    }

    fn row(field: &str, from: &str, to: &str) -> (String, String, String) {
        (field.to_owned(), from.to_owned(), to.to_owned())
    }

    #[test]
    fn values_that_come_go_and_change_are_told_with_both_sides() {
        let (bonn, nowhere) = (user(Some("Bonn"), &["a"]), user(None, &["a"]));
        assert_eq!(told(&bonn, &bonn), []);
        assert_eq!(
            told(&nowhere, &bonn),
            [
                row("accountEnabled", "false", "true"),
                row("city", "-", "Bonn")
            ]
        );
        assert_eq!(
            told(&bonn, &user(Some("Ulm"), &["a"])),
            [row("city", "Bonn", "Ulm")]
        );
    }

    #[test]
    fn of_lists_only_that_is_told_which_the_other_one_lacks() {
        let (mut a, b) = (
            user(Some("Bonn"), &["a", "b"]),
            user(Some("Bonn"), &["b", "c"]),
        );
        assert_eq!(
            told(&a, &b),
            [row(
                "assignedLicenses",
                r#"{"skuId":"a"}"#,
                r#"{"skuId":"c"}"#
            )]
        );
        let mut c = a.clone();
        a.license_assignment_states.push(LicenseAssignmentState {
            sku_id: "a".into(),
            state: "Active".into(),
            ..LicenseAssignmentState::default()
        });
        c.license_assignment_states.clear();
        assert_eq!(
            told(&a, &c),
            [row(
                "licenseAssignmentStates",
                r#"{"skuId":"a","state":"Active"}"#,
                "-"
            )]
        );
    }

    #[test]
    fn every_kind_has_fields_and_what_is_damaged_is_said() {
        for kind in RecordKind::ALL {
            let fields = json(kind, &[]).unwrap();
            assert!(fields.contains_key("tenantId"), "{}", kind.name());
            assert!(differences(kind, b"\xff", &[]).is_err());
        }
    }
}
