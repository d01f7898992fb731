//! What an operator wants left out of what is read: it is not asked for, and where Graph sends it all the same it is in
//! no message.

use std::borrow::Cow;
use std::collections::BTreeMap;

use catalog::privacy::{Privacy, Treatment};
use catalog::{Declaration, People};
use proto::ids::TenantId;
use serde_json::value::{RawValue, to_raw_value};

use crate::population::PERSON;

/// What of a dataset is left out, and what is not to rest anywhere as it is.
#[derive(Default)]
pub struct Hidden {
    dropped: Vec<&'static str>,
    pseudonymised: Vec<&'static str>,
    /// Properties that tell who is inside: they are asked for, and taken out before anything is published.
    asked: &'static [&'static str],
}

impl Hidden {
    /// Of a tenant's dataset; `sieved` says that only some people are read.
    pub fn new(privacy: &Privacy, tenant: TenantId, dataset: &Declaration, sieved: bool) -> Self {
        let mut hidden = Hidden::default();
        for treated in privacy.of(tenant, dataset.kind) {
            match treated.treatment {
                Treatment::Drop => hidden.dropped.push(treated.place.graph),
                _ => hidden.pseudonymised.push(treated.place.graph),
            }
        }
        if sieved && dataset.people == People::Themselves {
            hidden.asked = &PERSON;
        }
        hidden
    }

    /// Of these properties, those that are asked for.
    pub fn without(&self, properties: &[&'static str]) -> Vec<&'static str> {
        let asked = |p: &&&str| !self.dropped.contains(*p) || self.asked.contains(*p);
        properties.iter().filter(asked).copied().collect()
    }

    /// Whether the values of a property must not be stored as they are.
    pub fn hides(&self, property: &str) -> bool {
        self.dropped.contains(&property) || self.pseudonymised.contains(&property)
    }

    /// The object as it may be published. What is none becomes null: nobody knows what is in it.
    pub fn take_out<'a>(&self, object: &'a RawValue) -> Cow<'a, RawValue> {
        if self.dropped.is_empty() {
            return Cow::Borrowed(object);
        }
        let read = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(object.get());
        let left = read.ok().and_then(|mut properties| {
            properties.retain(|name, _| !self.dropped.contains(&name.as_ref()));
            to_raw_value(&properties).ok()
        });
        Cow::Owned(left.unwrap_or_else(|| RawValue::NULL.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(dataset: &str, sieved: bool) -> Hidden {
        let text = "[fields]
            userPrincipalName = 'drop'
            city = 'drop'
            mail = 'pseudonymise'
            displayName = 'drop'
            [tenants.99999999-2222-3333-4444-555555555555.fields]
            country = 'drop'";
        let none = std::collections::HashMap::new();
        let privacy: Privacy = runtime::config::parse(text, "test", none).unwrap();
        assert_eq!(privacy.tenants.len(), 1);
        let tenant = "11111111-2222-3333-4444-555555555555".parse().unwrap();
        Hidden::new(&privacy, tenant, catalog::find(dataset).unwrap(), sieved)
    }

    #[test]
    fn what_is_dropped_is_not_asked_for_unless_it_tells_who_is_inside() {
        let select = catalog::find("users").unwrap().select;
        let asked = hidden("users", false).without(select);
        assert_eq!(asked.len(), select.len() - 3);
        assert!(asked.contains(&"mail") && !asked.contains(&"city"));
        let asked = hidden("users", true).without(select);
        assert!(asked.contains(&"userPrincipalName") && !asked.contains(&"city"));
        let skus = catalog::find("subscribedSkus").unwrap();
        assert_eq!(hidden(skus.name, false).without(skus.select), skus.select);
    }

    #[test]
    fn what_graph_sends_all_the_same_is_taken_out() {
        let hidden_of_users = hidden("users", true);
        assert!(hidden_of_users.hides("mail") && hidden_of_users.hides("city"));
        let out = |hidden: &Hidden, json: &str| {
            let object = RawValue::from_string(json.to_owned()).unwrap();
            hidden.take_out(&object).get().to_owned()
        };
        let json = r#"{"id":"a","cit\u0079":"Bonn","mail":"m","userPrincipalName":"u","other":{"city":1}}"#;
        let left = r#"{"id":"a","mail":"m","other":{"city":1}}"#;
        assert_eq!(out(&hidden_of_users, json), left);
        for odd in ["7", "\"Ann\"", "[\"Ann\"]"] {
            assert_eq!(out(&hidden_of_users, odd), "null");
        }
        let report = hidden("teams", false);
        let row = r#"{"Display Name":"Ann","User Principal Name":"u"}"#;
        assert_eq!(out(&report, row), r#"{"User Principal Name":"u"}"#);
        assert_eq!(out(&Hidden::default(), "7"), "7");
    }
}
