//! Whether an object matches a filter.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::{Expr, Function, Literal, Op};

/// The value of one property.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Val<'a> {
    Null,
    Bool(bool),
    Number(i64),
    /// As it is written; times and GUIDs too.
    Text(Cow<'a, str>),
}

/// An object whose properties can be compared.
pub(crate) trait Record {
    /// The value of a property, by its path; empty: the object itself.
    fn value(&self, path: &str) -> Val<'_>;
    /// The items of a list.
    fn items(&self, path: &str) -> Vec<Value>;
}

impl Record for Value {
    fn value(&self, path: &str) -> Val<'_> {
        match at(self, path) {
            Some(Value::Bool(b)) => Val::Bool(*b),
            Some(Value::Number(n)) => n.as_i64().map_or(Val::Null, Val::Number),
            Some(Value::String(text)) => Val::Text(Cow::Borrowed(text)),
            _ => Val::Null,
        }
    }

    fn items(&self, path: &str) -> Vec<Value> {
        match at(self, path) {
            Some(Value::Array(items)) => items.clone(),
            _ => Vec::new(),
        }
    }
}

/// Property names are found whatever their case.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let steps = path.split('/').filter(|s| !s.is_empty());
    steps.into_iter().try_fold(value, |value, step| {
        let object = value.as_object()?;
        let found = object
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(step));
        found.map(|(_, value)| value)
    })
}

impl Expr {
    /// Whether the object matches. A comparison with a value that isn't there is false, apart from those with null.
    pub(crate) fn matches(&self, record: &dyn Record) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|p| p.matches(record)),
            Self::And(parts) => parts.iter().all(|p| p.matches(record)),
            Self::Not(part) => !part.matches(record),
            Self::Compare(name, op, literal) => holds(&record.value(name), *op, literal),
            Self::In(name, literals) => {
                let value = record.value(name);
                literals.iter().any(|l| holds(&value, Op::Eq, l))
            }
            Self::Call(function, name, text) => {
                let Val::Text(value) = record.value(name) else {
                    return false;
                };
                let value = lower(&value);
                match function {
                    Function::StartsWith => value.starts_with(text.as_str()),
                    Function::EndsWith => value.ends_with(text.as_str()),
                    Function::Contains => value.contains(text.as_str()),
                }
            }
            Self::Any(name, inner) => {
                let items = record.items(name);
                match inner {
                    Some(inner) => items.iter().any(|item| inner.matches(item)),
                    None => !items.is_empty(),
                }
            }
            Self::Count(name, op, number) => {
                let count = record.items(name).len() as i64;
                ordered(count.cmp(number), *op)
            }
        }
    }
}

fn holds(value: &Val, op: Op, literal: &Literal) -> bool {
    let ordering = match (value, literal) {
        (Val::Null, Literal::Null) => return op == Op::Eq,
        (Val::Null, _) | (_, Literal::Null) => return op == Op::Ne,
        (Val::Bool(a), Literal::Bool(b)) => a.cmp(b),
        (Val::Number(a), Literal::Number(b)) => a.cmp(b),
        (Val::Text(a), Literal::Text(b) | Literal::Guid(b)) => lower(a).as_ref().cmp(b.as_str()),
        (Val::Text(a), Literal::Time(b)) => a.as_ref().cmp(b.as_str()),
        _ => return op == Op::Ne,
    };
    ordered(ordering, op)
}

fn ordered(ordering: Ordering, op: Op) -> bool {
    match op {
        Op::Eq => ordering.is_eq(),
        Op::Ne => ordering.is_ne(),
        Op::Ge => ordering.is_ge(),
        Op::Gt => ordering.is_gt(),
        Op::Le => ordering.is_le(),
        Op::Lt => ordering.is_lt(),
    }
}

/// In lower case; most text of a directory already is.
fn lower(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|b| b.is_ascii() && !b.is_ascii_uppercase())
    {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_match() {
        let object = json!({
            "displayName": "Änne O'Brien", "accountEnabled": true, "mail": null, "size": 3,
            "createdDateTime": "2026-11-22T10:00:00Z",
            "assignedLicenses": [{"skuId": "05e9a617-0261-4cee-bb44-138d3ef5d965"}], "tags": ["One"], "none": [],
        });
        for (filter, expected) in [
            ("displayName eq 'ÄNNE o''brien'", true),
            ("displayName ge 'b'", true),
            ("displayName lt 'b'", false),
            ("accountEnabled ne true", false),
            ("mail eq null", true),
            ("mail ne null", false),
            ("mail eq 'x'", false),
            ("mail ne 'x'", true),
            ("not(mail eq 'x')", true),
            ("size gt 2 and size le 3", true),
            ("createdDateTime gt 2026-11-22T09:00:00Z", true),
            ("createdDateTime in (2026-11-22T09:00:00Z)", false),
            ("startsWith(displayName,'änne')", true),
            ("endsWith(displayName,'Brien')", true),
            (
                "assignedLicenses/any(x:x/skuId eq 05E9A617-0261-4cee-bb44-138d3ef5d965)",
                true,
            ),
            (
                "assignedLicenses/any(x:x/skuId eq 15e9a617-0261-4cee-bb44-138d3ef5d965)",
                false,
            ),
            ("tags/any(t:t eq 'one')", true),
            ("none/any()", false),
            ("none/$count eq 0", true),
            ("tags/$count ne 0 or nothing eq 1", true),
        ] {
            assert_eq!(
                Expr::parse(filter).unwrap().matches(&object),
                expected,
                "{filter}"
            );
        }
    }
}
