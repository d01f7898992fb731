//! People who sign in: users of a tenant, by number.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::state::lock;
use crate::guid::{self, Kind};
use crate::property::Prop;
use crate::sim::Sim;
use crate::user_json;

/// What every member gets in `wids`.
const MEMBER: &str = "b79fbf4d-3ef9-4689-8143-76b194e85509";

/// A user, as tokens say it.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) upn: String,
    pub(crate) enabled: bool,
    /// Directory roles, by template id.
    roles: Vec<String>,
}

/// Directory roles of users, by tenant and number.
#[derive(Default)]
pub(crate) struct Roles(Mutex<HashMap<(usize, u32), Vec<String>>>);

impl Person {
    /// The user with this number, if it lives today.
    pub(crate) fn of(sim: &Sim, tenant: usize, index: u32) -> Option<Self> {
        let worlds = sim.worlds();
        let user = worlds.tenants.get(tenant)?.user(index, worlds.today())?;
        let who = sim.identity(tenant);
        let text = |prop: Prop| {
            let mut json = Vec::new();
            user_json::value(&mut json, who, &user, prop as u8);
            serde_json::from_slice::<Option<String>>(&json)
                .ok()
                .flatten()
        };
        Some(Self {
            id: guid::text(guid::of(who.key, Kind::User, u64::from(index))),
            name: text(Prop::DisplayName).unwrap_or_default(),
            upn: text(Prop::UserPrincipalName).unwrap_or_default(),
            enabled: user.enabled,
            roles: (lock(&sim.entra().people.0).get(&(tenant, index)).cloned()).unwrap_or_default(),
        })
    }

    /// The number that an id names; without an id the first user who may sign in.
    pub(crate) fn number(sim: &Sim, tenant: usize, id: Option<&str>) -> Option<u32> {
        let key = sim
            .tenants()
            .get(tenant)
            .map(|_| sim.identity(tenant).key)?;
        let Some(id) = id else {
            return (0..1_000).find(|n| Self::of(sim, tenant, *n).is_some_and(|p| p.enabled));
        };
        let index = guid::index(key, Kind::User, guid::parse(id)?)?;
        u32::try_from(index).ok()
    }

    /// Makes an application's claims those of an application that acts for this person.
    pub(crate) fn sign_in(&self, claims: &mut Value, scopes: String) {
        let member = [MEMBER.to_owned()];
        let roles: Vec<_> = member.iter().chain(&self.roles).collect();
        for (name, value) in [
            ("acct", json!(0)),
            ("acr", json!("1")),
            ("amr", json!(["pwd", "mfa"])),
            ("idtyp", json!("user")),
            ("name", json!(self.name)),
            ("oid", json!(self.id)),
            ("scp", json!(scopes)),
            ("signin_state", json!(["kmsi"])),
            ("sub", json!(format!("{}-here", self.id))),
            ("unique_name", json!(self.upn)),
            ("upn", json!(self.upn)),
            ("wids", json!(roles)),
        ] {
            claims[name] = value;
        }
        if let Some(claims) = claims.as_object_mut() {
            claims.shift_remove("idp");
        }
    }
}

impl Sim {
    /// Gives a user of a tenant (its position) these directory roles, by template id, in place of those so far; without an
    /// id the first user who may sign in. They stand in tokens from now on. False if there is no such user.
    pub fn direct(&self, tenant: usize, user: Option<&str>, roles: Vec<String>) -> bool {
        let Some(number) = Person::number(self, tenant, user) else {
            return false;
        };
        lock(&self.entra().people.0).insert((tenant, number), roles);
        true
    }
}
