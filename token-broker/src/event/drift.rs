//! What an app may has changed since its last token: whoever widened it told nobody, so we do.

use std::collections::BTreeSet;

use super::{Events, Kind, of};
use crate::claims::Granted;
use crate::registry::App;

/// What differs between the grants of two tokens of one app, by what it is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Drift(Vec<(Kind, String)>);

const REMEDY: &str = "see in the tenant's audit log of Entra ID who changed it; if nobody was meant to, treat it as an incident: \
                      disable the app's sign-in and renew its credentials";

impl Drift {
    /// Between two tokens; none where nothing differs.
    pub(crate) fn between(before: &Granted, now: &Granted) -> Option<Self> {
        let anew = || match (before.is_of_a_person(), now.is_of_a_person()) {
            (false, false) => format!(
                "the service principal was made anew: {:.36} was {:.36}",
                now.oid, before.oid
            ),
            _ => format!("{} stands behind it, it was {}", who(now), who(before)),
        };
        let all = [
            (
                Kind::DriftPermissions,
                difference(&permissions(before), &permissions(now)),
            ),
            (
                Kind::DriftDirectoryRoles,
                difference(&roles(before), &roles(now)),
            ),
            (Kind::DriftPrincipal, (before.oid != now.oid).then(anew)),
        ];
        let all: Vec<_> = all
            .into_iter()
            .filter_map(|(kind, text)| Some((kind, text?)))
            .collect();
        (!all.is_empty()).then_some(Drift(all))
    }

    /// In one line, for the audit log.
    pub(crate) fn text(&self) -> String {
        let all: Vec<&str> = self.0.iter().map(|(_, text)| text.as_str()).collect();
        all.join(", ")
    }
}

fn who(of: &Granted) -> String {
    let what = match of.is_of_a_person() {
        true => "the person",
        false => "the service principal",
    };
    format!("{what} {:.36}", of.oid)
}

fn permissions(of: &Granted) -> BTreeSet<&str> {
    of.roles.iter().map(String::as_str).collect()
}

fn roles(of: &Granted) -> BTreeSet<&str> {
    of.directory_roles().collect()
}

fn difference(before: &BTreeSet<&str>, now: &BTreeSet<&str>) -> Option<String> {
    let added = now.difference(before).map(|power| format!("+{power}"));
    let gone = before.difference(now).map(|power| format!("-{power}"));
    let all: Vec<String> = added.chain(gone).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

impl Events {
    /// What an app may has changed.
    pub(crate) fn drifted(&self, app: &App, drift: &Drift) {
        for (kind, text) in &drift.0 {
            let what = match kind {
                Kind::DriftPermissions => "application permissions have changed: ",
                Kind::DriftDirectoryRoles => "directory roles have changed: ",
                _ => "",
            };
            let detail = format!("tenant {}, app `{}`: {what}{text}", app.tenant, app.name);
            self.tell(*kind, of(app.tenant, &app.name), detail, REMEDY.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn granted(roles: &[&str], wids: &[&str], oid: &str) -> Granted {
        serde_json::from_value(json!({"roles": roles, "wids": wids, "oid": oid})).unwrap()
    }

    #[test]
    fn each_kind_is_told_apart_and_what_is_no_role_is_none() {
        let no_role = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";
        let before = granted(&["a", "b"], &[no_role], "1");
        assert_eq!(
            Drift::between(&before, &granted(&["b", "a"], &[], "1")),
            None
        );
        let drift = Drift::between(&before, &granted(&["b", "c"], &[no_role, "r"], "2")).unwrap();
        let kinds: Vec<_> = drift.0.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(
            kinds,
            [
                Kind::DriftPermissions,
                Kind::DriftDirectoryRoles,
                Kind::DriftPrincipal
            ]
        );
        assert!(drift.text().starts_with("+c, -a, +r, "), "{drift:?}");
    }
}
