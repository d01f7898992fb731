//! The small things of a directory: its domains, what was deleted, and the licences of one user in detail.

use serde_json::{Value, json};

use crate::calendar;
use crate::catalog;
use crate::collection::{self, Item, Items, Set};
use crate::graph::Call;
use crate::group::{self, GROWN};
use crate::group_json;
use crate::group_log::Life as GroupLife;
use crate::guid::{self, Kind};
use crate::licence::assigned;
use crate::person::{self, User};
use crate::property::{Prop, Select};
use crate::query::Query;
use crate::reply::{Failure, Reply};
use crate::rng::mix;
use crate::sealed::base64url;
use crate::shape::{self, Object};
use crate::tenant::Identity;
use crate::user_json;
use crate::user_query::find;
use crate::world::{Life, RETENTION, World};

/// Users and groups that were deleted before the simulation began have indices from here on.
const GHOST_USERS: u32 = 2_000_000_000;
const GHOST_GROUPS: u32 = 1_000_000_000;

/// `GET /domains`
pub(crate) fn domains(call: &Call, query: &Query) -> Result<Reply, Failure> {
    query.only(&["$select"])?;
    let chosen = shape::of("domain").choose(query, false)?;
    let context = if chosen.named {
        format!("domains({})", chosen.names())
    } else {
        "domains".to_owned()
    };
    let set = Set {
        path: "domains".to_owned(),
        context,
        page: 999,
        most: 999,
    };
    let all = domain_values(call.who);
    let total = all.len() as u32;
    let items = |start: u32| -> Items<'_> {
        let all = all.into_iter().zip(0..).skip(start as usize);
        Box::new(all.map(|(d, n)| (n, Item::Values(chosen.pick(d)))))
    };
    collection::page(call, query, &set, || total, items)
}

/// `GET /domains/{name}`
pub(crate) fn domain(call: &Call, name: &str, query: &Query) -> Result<Reply, Failure> {
    let chosen = shape::of("domain").choose(query, true)?;
    let found = domain_values(call.who)
        .into_iter()
        .find(|d| d["id"] == name);
    let found = found.ok_or_else(|| Failure::missing(name))?;
    Ok(collection::entity(call, "domains", chosen.pick(found)))
}

/// The domains of a tenant: its first one, one that is federated, and one that nobody verified.
pub(crate) fn domain_values(who: &Identity) -> Vec<Object> {
    let custom = who.domain.replace(".onmicrosoft.com", ".example");
    let one = |name: &str, federated: bool, initial: bool, verified: bool| {
        let services: &[&str] = match (verified, initial) {
            (true, true) => &["Email", "OfficeCommunicationsOnline", "Sharepoint"],
            (true, false) => &["Email"],
            _ => &[],
        };
        let value = json!({
            "id": name,
            "authenticationType": if federated { "Federated" } else { "Managed" },
            "isAdminManaged": true,
            "isDefault": initial,
            "isInitial": initial,
            "isRoot": true,
            "isVerified": verified,
            "passwordNotificationWindowInDays": 14,
            "passwordValidityPeriodInDays": 2_147_483_647,
            "supportedServices": services,
        });
        object(value)
    };
    vec![
        one(&who.domain, false, true, true),
        one(&custom, true, false, true),
        one(&format!("old-{custom}"), false, false, false),
    ]
}

/// What of the deleted is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deleted {
    Users,
    Groups,
}

/// `GET /directory/deletedItems/microsoft.graph.user`, or of groups.
pub(crate) fn deleted(call: &Call, query: &Query, of: Deleted) -> Result<Reply, Failure> {
    query.only(&["$select", "$top", "$skiptoken"])?;
    let (cast, set) = match of {
        Deleted::Users => ("microsoft.graph.user", "users"),
        Deleted::Groups => ("microsoft.graph.group", "groups"),
    };
    let names = query.select.as_deref().map(|s| format!("({s})"));
    let set = Set {
        path: format!("directory/deletedItems/{cast}"),
        context: format!("{set}{}", names.unwrap_or_default()),
        page: 100,
        most: 999,
    };
    let shown = Shown::new(query)?;
    let all = places(call.who.key, call.world, call.day, of);
    let items = |start: u32| -> Items<'_> {
        let all = all.iter().zip(0..).skip(start as usize);
        let one = |((index, day), place): (&(u32, i32), u32)| {
            let object = match of {
                Deleted::Users => shown.user(call.who, call.world, call.day, *index, *day)?,
                Deleted::Groups => shown.group(call.who, call.world, call.day, *index, *day)?,
            };
            Some((place, Item::Values(object)))
        };
        Box::new(all.filter_map(one))
    };
    collection::page(call, query, &set, || all.len() as u32, items)
}

/// `GET /directory/deletedItems/{cast}/$count`
pub(crate) fn deleted_count(call: &Call, of: Deleted) -> Result<Reply, Failure> {
    collection::count(call, || {
        places(call.who.key, call.world, call.day, of).len() as u32
    })
}

/// `GET /directory/deletedItems/{id}`; `of` says what may be read.
pub(crate) fn deleted_item(call: &Call, id: &str, query: &Query) -> Result<Reply, Failure> {
    let shown = Shown::new(query)?;
    let guid = guid::parse(id).ok_or_else(|| Failure::missing(id))?;
    let key = call.who.key;
    for (of, kind, name) in [
        (Deleted::Users, Kind::User, "user"),
        (Deleted::Groups, Kind::Group, "group"),
    ] {
        let Some(index) = guid::index(key, kind, guid) else {
            continue;
        };
        let all = places(key, call.world, call.day, of);
        let Some((index, day)) = all.into_iter().find(|(i, _)| u64::from(*i) == index) else {
            continue;
        };
        let object = match of {
            Deleted::Users => shown.user(call.who, call.world, call.day, index, day),
            Deleted::Groups => shown.group(call.who, call.world, call.day, index, day),
        };
        if let Some(mut object) = object {
            let kind = format!("#microsoft.graph.{name}");
            object.insert("@odata.type".to_owned(), kind.into());
            return Ok(collection::entity(call, "directoryObjects", object));
        }
    }
    Err(Failure::missing(id))
}

/// All deleted objects of a kind that can be restored on a day.
pub(crate) fn all(who: &Identity, world: &World, day: u32, of: Deleted) -> Vec<Object> {
    let shown = Shown {
        user: Select::DEFAULT,
        names: None,
    };
    let places = places(who.key, world, day, of).into_iter();
    let one = |(index, on)| match of {
        Deleted::Users => shown.user(who, world, day, index, on),
        Deleted::Groups => shown.group(who, world, day, index, on),
    };
    places.filter_map(one).collect()
}

/// What was deleted and can be restored on a day, with the day of its deletion.
fn places(key: u64, world: &World, day: u32, of: Deleted) -> Vec<(u32, i32)> {
    let (start, number) = match of {
        Deleted::Users => (GHOST_USERS, 2 + world.at_first() / 150),
        Deleted::Groups => (GHOST_GROUPS, 2 + world.at_first() / 2_000),
    };
    let age = |n: u32| 1 + (mix(key ^ 0x6057, u64::from(start + n)) % u64::from(RETENTION)) as i32;
    let left = RETENTION as i32 - day as i32;
    let ghosts = (0..number).filter(|n| age(*n) < left);
    // Every eighth number is a Microsoft 365 group: others are not restorable.
    let step = if of == Deleted::Groups { 8 } else { 1 };
    let mut places: Vec<(u32, i32)> = ghosts.map(|n| (start + n * step, -age(n))).collect();
    match of {
        Deleted::Users => {
            let on = |i: u32| match world.life(i, day) {
                Life::Deleted(on) => Some((i, on as i32)),
                _ => None,
            };
            places.extend(world.deleted(day).into_iter().filter_map(on));
        }
        Deleted::Groups => {
            for on in day.saturating_sub(RETENTION).max(1)..=day {
                let groups = world.groups.changed(on).iter().copied();
                let then = groups.filter(|n| world.groups.life(*n, day) == GroupLife::Deleted(on));
                places.extend(then.map(|n| (n, on as i32)));
            }
        }
    }
    places
}

/// A soft-deleted user, with its own properties as they were.
pub(crate) fn deleted_user(key: u64, world: &World, day: u32, index: u32) -> Option<User> {
    if index >= GHOST_USERS {
        return Some(person::make(key, index, None));
    }
    world.known(index, day)
}

/// What is shown of deleted objects.
struct Shown {
    user: Select,
    names: Option<String>,
}

impl Shown {
    fn new(query: &Query) -> Result<Self, Failure> {
        let shown = Self {
            user: match &query.select {
                Some(list) => Select::parse(list).unwrap_or(Select::DEFAULT),
                None => Select::DEFAULT,
            },
            names: query.select.clone(),
        };
        // A name must belong to one of the two types.
        let group = shape::of("group");
        for name in shown.names.iter().flat_map(|n| n.split(',')).map(str::trim) {
            if Select::parse(name).is_err() && !group.has(name) {
                return Err(crate::query::unknown_property(name, "directoryObject"));
            }
        }
        Ok(shown)
    }

    fn user(&self, who: &Identity, world: &World, day: u32, index: u32, on: i32) -> Option<Object> {
        let user = deleted_user(who.key, world, day, index)?;
        let mut text = Vec::new();
        user_json::write(&mut text, who, &user, self.user.with(Prop::Id), false);
        let mut object: Object = serde_json::from_slice(&text).ok()?;
        // So that the name is free again.
        if let (Some(Value::String(id)), Some(Value::String(name))) =
            (object.get("id"), object.get("userPrincipalName"))
        {
            let freed = format!("{}{name}", id.replace('-', ""));
            object.insert("userPrincipalName".to_owned(), freed.into());
        }
        self.dated(&mut object, on);
        Some(object)
    }

    fn group(
        &self,
        who: &Identity,
        world: &World,
        day: u32,
        number: u32,
        on: i32,
    ) -> Option<Object> {
        let group = if number >= GHOST_GROUPS {
            // The number decides on the kind of group: a Microsoft 365 group.
            group::make(who.key, GROWN + (number - GHOST_GROUPS) / 8 * 8, None)
                .map(|g| group::Group { number, ..g })
        } else {
            world.groups.known(who.key, number, day)
        };
        let values = group_json::values(who, &group?, day);
        let shape = shape::of("group");
        let mut object = match &self.names {
            Some(names) => shape.some(names.split(',').map(str::trim)).pick(values),
            None => shape.default().pick(values),
        };
        self.dated(&mut object, on);
        Some(object)
    }

    fn dated(&self, object: &mut Object, on: i32) {
        let wanted = self
            .names
            .as_ref()
            .is_none_or(|n| n.contains("deletedDateTime"));
        if wanted {
            let mut date = Vec::with_capacity(20);
            calendar::write(&mut date, on, 30_000);
            let date = String::from_utf8(date).unwrap_or_default();
            object.insert("deletedDateTime".to_owned(), date.into());
        }
    }
}

/// `GET /users/{id}/licenseDetails`
pub(crate) fn licence_details(call: &Call, id: &str, query: &Query) -> Result<Reply, Failure> {
    let guid = guid::parse(id).ok_or_else(|| Failure::missing(id))?;
    let user = find(call, guid).ok_or_else(|| Failure::missing(id))?;
    let chosen = shape::of("licenseDetails").choose(query, false)?;
    let set = Set {
        path: format!("users/{id}/licenseDetails"),
        context: format!("users('{id}')/licenseDetails"),
        page: 999,
        most: 999,
    };
    let assigned = assigned(&user.paths, user.orphan);
    let held = || {
        assigned
            .iter()
            .zip(0_u8..)
            .filter_map(|(off, sku)| Some((sku, (*off)?)))
    };
    let items = |start: u32| -> Items<'_> {
        let one = |(sku, off): (u8, u8)| {
            let object = details(guid, sku, off);
            (u32::from(sku), Item::Values(chosen.pick(object)))
        };
        Box::new(
            held()
                .filter(move |(sku, _)| u32::from(*sku) >= start)
                .map(one),
        )
    };
    collection::page(call, query, &set, || held().count() as u32, items)
}

fn details(user: u128, sku: u8, off: u8) -> Object {
    let product = catalog::get(sku);
    let product_id = guid::parse(product.id).unwrap_or_default();
    let plan = |(bit, plan): (usize, &catalog::Plan)| {
        let disabled = bit < 8 && off & (1 << bit) != 0;
        json!({
            "servicePlanId": plan.id,
            "servicePlanName": plan.name,
            "provisioningStatus": match bit {
                _ if disabled => "Disabled",
                // Plans that wait for a first use.
                _ if plan.name.contains("INTUNE") => "PendingInput",
                _ => "Success",
            },
            "appliesTo": if plan.name.ends_with("_FOUNDATION") { "Company" } else { "User" },
        })
    };
    object(json!({
        "id": base64url(&[user.to_be_bytes(), product_id.to_be_bytes()].concat()),
        "skuId": product.id,
        "skuPartNumber": product.part_number,
        "servicePlans": product.plans.iter().enumerate().map(plan).collect::<Vec<_>>(),
    }))
}

/// The inside of a value that is an object.
pub(crate) fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}
