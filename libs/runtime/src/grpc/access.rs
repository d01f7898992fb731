//! Who may call what: services by a list of identities, operators by their roles. Who is on no list may nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Deserializer, Serialize};

use super::Peer;
use crate::tls::Identity;

/// What an operator may do. Duties that somebody should not hold together are roles of their own; each of them may
/// also look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Makes the services work, without effect on what counts as true.
    Operator,
    /// Decides on removals that are held.
    Approver,
    /// Decides on credentials and who may get tokens.
    Security,
}

/// `[admin]`: the roles of each operator's identity, one (`"viewer"`) or several (`["operator", "approver"]`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Admin(BTreeMap<Identity, Roles>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
struct Roles(BTreeSet<Role>);

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let roles = crate::config::one_or_many::<Role, D>(d)?;
        Ok(Roles(roles.into_iter().collect()))
    }
}

/// What a method asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The identities on the service's list `callers` may call it.
    callers: bool,
    /// Operators of this role may call it.
    role: Option<Role>,
}

impl Rule {
    /// As contracts write it: `caller`, a role's name, or `caller or <role>`.
    pub fn named(text: &str) -> Option<Rule> {
        let role = |text| match text {
            "viewer" => Some(Role::Viewer),
            "operator" => Some(Role::Operator),
            "approver" => Some(Role::Approver),
            "security" => Some(Role::Security),
            _ => None,
        };
        let rule = |callers, role| Rule { callers, role };
        match text.split_once(" or ") {
            Some(("caller", text)) => Some(rule(true, Some(role(text)?))),
            Some(_) => None,
            None if text == "caller" => Some(rule(true, None)),
            None => Some(rule(false, Some(role(text)?))),
        }
    }

    /// Whether it changes something: then it is audited.
    pub fn is_act(self) -> bool {
        self.role.is_some_and(|r| r > Role::Viewer)
    }

    /// Whether it needs a reason: what can't be taken back, or gives rights.
    pub fn needs_reason(self) -> bool {
        self.role.is_some_and(|r| r > Role::Operator)
    }
}

/// Who may call what of one process.
#[derive(Clone, Debug)]
pub struct Access {
    callers: BTreeSet<Identity>,
    admin: Admin,
    methods: HashMap<&'static str, Rule>,
}

impl Access {
    /// `methods` are paths (`/package.Service/Method`) with what each asks, as [`Rule::named`] reads it. A method that
    /// isn't there is nobody's.
    pub fn new(
        callers: &[Identity],
        admin: &Admin,
        methods: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Access {
        let methods = methods.into_iter();
        Access {
            callers: callers.iter().cloned().collect(),
            admin: admin.clone(),
            methods: methods
                .filter_map(|(path, rule)| Some((path, Rule::named(rule)?)))
                .collect(),
        }
    }

    /// A method that somebody may call.
    pub fn method(&self, path: &str) -> Option<&'static str> {
        self.methods.get_key_value(path).map(|(name, _)| *name)
    }

    /// Whether this peer may call it.
    ///
    /// # Errors
    /// Why not, for the caller and the log.
    pub fn permits(&self, path: &str, peer: &Peer) -> Result<Rule, String> {
        let Some(rule) = self.methods.get(path).copied() else {
            return Err("nobody may call it".to_owned());
        };
        let Some(identity) = &peer.identity else {
            return Err("the connection proves no identity".to_owned());
        };
        if rule.callers && self.callers.contains(identity) {
            return Ok(rule);
        }
        let held = self.admin.0.get(identity);
        match (rule.role, held) {
            (Some(wanted), Some(held)) if wanted == Role::Viewer || held.0.contains(&wanted) => {
                Ok(rule)
            }
            (Some(wanted), Some(_)) => {
                Err(format!("{identity} has not the role {wanted:?}").to_lowercase())
            }
            (_, None) if rule.callers => Err(format!("{identity} is not among the callers")),
            (_, None) => Err(format!("{identity} has no role in [admin]")),
            (None, Some(_)) => Err(format!(
                "{identity} is an operator, and this is for services"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Identity {
        format!("spiffe://t/{name}").parse().unwrap()
    }

    fn access() -> Access {
        let admin: Admin = toml::from_str(
            "'spiffe://t/vera' = 'viewer'\n'spiffe://t/otto' = 'operator'\n
             'spiffe://t/anna' = ['operator', 'approver']\n'spiffe://t/nobody' = []",
        )
        .unwrap();
        let methods = [
            ("/S/Feed", "caller or viewer"),
            ("/S/Token", "caller"),
            ("/S/Status", "viewer"),
            ("/S/MakeDue", "operator"),
            ("/S/Approve", "approver"),
            ("/S/Rotate", "security"),
            ("/S/Misspelt", "aprover"),
        ];
        Access::new(&[id("service")], &admin, methods)
    }

    #[test]
    fn each_may_what_the_table_says() {
        let access = access();
        let may = |who: &str| {
            let peer = Peer {
                identity: Some(id(who)),
                ..Peer::default()
            };
            let paths = [
                "Feed", "Token", "Status", "MakeDue", "Approve", "Rotate", "Misspelt", "None",
            ];
            let permitted = paths
                .iter()
                .filter(|m| access.permits(&format!("/S/{m}"), &peer).is_ok());
            permitted.copied().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(may("service"), "Feed Token");
        assert_eq!(may("vera"), "Feed Status");
        assert_eq!(may("otto"), "Feed Status MakeDue");
        assert_eq!(may("anna"), "Feed Status MakeDue Approve");
        assert_eq!(may("stranger"), "");
        let nobody = access.permits("/S/Status", &Peer::default()).unwrap_err();
        assert!(nobody.contains("no identity"), "{nobody}");
    }

    #[test]
    fn acts_are_audited_and_grave_ones_need_a_reason() {
        let rule = |text| Rule::named(text).unwrap();
        let of = |text| (rule(text).is_act(), rule(text).needs_reason());
        assert_eq!(of("caller or viewer"), (false, false));
        assert_eq!(of("operator"), (true, false));
        assert_eq!(of("approver"), (true, true));
        assert_eq!(of("security"), (true, true));
        for wrong in ["", "root", "viewer or caller", "caller or root"] {
            assert_eq!(Rule::named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn unknown_roles_and_identities_are_errors() {
        for wrong in [
            "'spiffe://t/a' = 'root'",
            "'ann' = 'viewer'",
            "'spiffe://t/a' = 5",
        ] {
            assert!(toml::from_str::<Admin>(wrong).is_err(), "{wrong}");
        }
    }
}
