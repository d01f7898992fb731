//! Which kinds and fields a sink shows, and what it calls them.

use std::collections::BTreeMap;

use proto::shape::Column;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::record::{columns, kinds};

/// Which kinds and fields a sink shows, and what it calls them. Part of the settings of every sink whose columns come
/// from the contracts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// Kinds that it shows; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<String>>,
    /// Fields of a kind that it shows, in this order and as JSON spells them; absent: all. The tenant always stands
    /// first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Vec<String>>,
    /// What fields of a kind are called instead.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, BTreeMap<String, String>>,
}

/// A column that a sink shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its place in the columns of its kind.
    pub place: usize,
    /// What it is.
    pub column: &'static Column,
    /// What the sink calls it, unless that is what the contract does.
    pub name: Option<String>,
}

/// The field that tells whose a record is.
const TENANT: &str = "tenantId";

impl Selection {
    /// Whether a kind is shown.
    pub fn shows(&self, kind: &str) -> bool {
        self.kinds
            .as_ref()
            .is_none_or(|k| k.iter().any(|k| k == kind))
    }

    /// Whether a kind is shown as the contract has it: all fields, under their names.
    pub fn is_whole(&self, kind: &str) -> bool {
        !self.fields.contains_key(kind) && !self.names.contains_key(kind)
    }

    /// The columns of a kind that are shown, in the order in which they are.
    pub fn columns(&self, kind: &str) -> Vec<Shown> {
        let all = columns(kind);
        let named = |place: usize, column: &'static Column| Shown {
            place,
            column,
            name: self
                .names
                .get(kind)
                .and_then(|n| n.get(column.json))
                .cloned(),
        };
        let each = all.iter().enumerate();
        match self.fields.get(kind) {
            None => each.map(|(place, column)| named(place, column)).collect(),
            Some(fields) => {
                let fields = fields.iter().map(String::as_str).filter(|f| *f != TENANT);
                let find = |name| all.iter().position(|c| c.json == name);
                let places = [TENANT].into_iter().chain(fields).filter_map(find);
                places
                    .filter_map(|place| Some(named(place, all.get(place)?)))
                    .collect()
            }
        }
    }

    /// Checks the names in it.
    ///
    /// # Errors
    /// `LW-6001` where a kind or field is unknown, or two fields are called the same.
    pub fn check(&self, sink: &str) -> Result<(), Error> {
        let wrong = |why: String| Error::settings(sink, why);
        let named = self.kinds.iter().flatten();
        for kind in named.chain(self.fields.keys()).chain(self.names.keys()) {
            if !kinds().any(|k| k == kind) {
                let known = kinds().collect::<Vec<_>>().join(", ");
                return Err(wrong(format!(
                    "there is no kind `{kind}`; the kinds are {known}"
                )));
            }
        }
        let fields = self
            .fields
            .iter()
            .flat_map(|(k, f)| f.iter().map(move |f| (k, f)));
        let names = self
            .names
            .iter()
            .flat_map(|(k, n)| n.keys().map(move |f| (k, f)));
        for (kind, field) in fields.chain(names) {
            if !columns(kind).iter().any(|c| c.json == field) {
                let known: Vec<_> = columns(kind).iter().map(|c| c.json).collect();
                let known = known.join(", ");
                return Err(wrong(format!(
                    "a {kind} has no field `{field}`; its fields are {known}"
                )));
            }
        }
        for kind in kinds() {
            let shown = self.columns(kind);
            let called = |s: &Shown| s.name.clone().unwrap_or_else(|| s.column.json.to_owned());
            let mut names: Vec<_> = shown.iter().map(called).collect();
            names.sort();
            if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()) {
                let name = &twice[0];
                return Err(wrong(format!("two fields of {kind} are called `{name}`")));
            }
            if names.iter().any(String::is_empty) {
                return Err(wrong(format!("a field of {kind} is called nothing")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Selection {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn everything_is_shown_unless_told_otherwise() {
        let all = Selection::default();
        assert!(all.shows("user") && all.is_whole("user") && all.check("s").is_ok());
        assert_eq!(all.columns("user").len(), columns("user").len());
    }

    #[test]
    fn fields_stand_in_the_order_that_is_told_after_the_tenant() {
        let some = parse(
            r#"{"kinds":["user"],"fields":{"user":["mail","userId"]},"names":{"user":{"mail":"e_mail"}}}"#,
        );
        some.check("s").unwrap();
        let called = |s: &Shown| s.name.clone().unwrap_or_else(|| s.column.name.to_owned());
        let names: Vec<_> = some.columns("user").iter().map(called).collect();
        assert_eq!(names, ["tenant_id", "e_mail", "user_id"]);
        assert!(!some.shows("group") && !some.is_whole("user"));
    }

    #[test]
    fn what_is_unknown_or_ambiguous_is_refused() {
        for (json, why) in [
            (
                r#"{"kinds":["users"]}"#,
                "no kind `users`; the kinds are organization",
            ),
            (
                r#"{"fields":{"user":["email"]}}"#,
                "no field `email`; its fields are tenantId",
            ),
            (
                r#"{"names":{"user":{"mail":"userId"}}}"#,
                "two fields of user are called `userId`",
            ),
            (r#"{"names":{"user":{"mail":""}}}"#, "called nothing"),
        ] {
            let told = parse(json).check("s").unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
