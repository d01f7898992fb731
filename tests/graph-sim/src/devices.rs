//! Reading devices: those of Entra ID with their owners, and those that Intune manages.

use crate::collection::{self, Filter, Item, Items, Set};
use crate::device::{self, Device};
use crate::device_json;
use crate::filter::Rules;
use crate::graph::Call;
use crate::guid::{self, Kind};
use crate::property::Select;
use crate::query::{self, Query};
use crate::reply::{Failure, Reply};
use crate::shape::{self, Chosen, Object};
use crate::user_json;

const ENTRA: Rules = Rules {
    kind: "device",
    has: |name| shape::of("device").has(name),
};
const INTUNE: Rules = Rules {
    kind: "managedDevice",
    has: |name| shape::of("managedDevice").has(name),
};
/// Objects on a page of Intune's devices, and the most of them.
const MANAGED_PAGE: u16 = 1_000;

/// `GET /devices`
pub(crate) fn list(call: &Call, query: &Query) -> Result<Reply, Failure> {
    let chosen = shape::of("device").choose(query, false)?;
    let filter = Filter::read(query, ENTRA, Filter::mode(call, query))?;
    let set = Set {
        path: "devices".to_owned(),
        context: context("devices", &chosen),
        page: 100,
        most: 999,
    };
    let wanted = wanted(call, Kind::Device, &filter)?;
    let all = |start: u32| registered(call, start, wanted.as_deref(), &filter);
    let items = |start: u32| -> Items<'_> {
        let shown = |(place, values)| (place, Item::Values(chosen.pick(values)));
        Box::new(all(start).map(shown))
    };
    collection::page(call, query, &set, || all(0).count() as u32, items)
}

/// `GET /devices/$count`
pub(crate) fn count(call: &Call, query: &Query) -> Result<Reply, Failure> {
    let filter = Filter::read(query, ENTRA, crate::filter::Mode::Advanced)?;
    let wanted = wanted(call, Kind::Device, &filter)?;
    collection::count(call, || {
        registered(call, 0, wanted.as_deref(), &filter).count() as u32
    })
}

/// `GET /devices/{id}`
pub(crate) fn single(call: &Call, id: &str, query: &Query) -> Result<Reply, Failure> {
    let chosen = shape::of("device").choose(query, true)?;
    let device = by_id(call, Kind::Device, id)?;
    let values = device_json::entra(call.who, &device);
    Ok(collection::entity(
        call,
        &context("devices", &chosen),
        chosen.pick(values),
    ))
}

/// `GET /devices/{id}/registeredOwners` and `/registeredUsers`: who enrolled it, and who uses it.
pub(crate) fn people(call: &Call, id: &str, name: &str, query: &Query) -> Result<Reply, Failure> {
    let owners = match name {
        "registeredOwners" => true,
        "registeredUsers" => false,
        other => return Err(Failure::segment(other)),
    };
    query.only(&["$select", "$top", "$skiptoken"])?;
    let device = by_id(call, Kind::Device, id)?;
    let select = query.user_select()?;
    query::check_collection(select, call.roles)?;
    let users = if owners && device.shared {
        Vec::new()
    } else {
        device::users(call.world, &device, call.day)
    };
    let set = Set {
        path: format!("devices/{id}/{name}"),
        context: "directoryObjects".to_owned(),
        page: 100,
        most: 999,
    };
    let items = |start: u32| -> Items<'_> {
        let users = users.iter().copied().filter(move |i| *i >= start);
        Box::new(users.filter_map(|i| Some((i, person(call, i, select)?))))
    };
    collection::page(call, query, &set, || users.len() as u32, items)
}

/// `GET /deviceManagement/managedDevices`
pub(crate) fn managed(call: &Call, query: &Query) -> Result<Reply, Failure> {
    let chosen = shape::of("managedDevice").choose(query, false)?;
    let filter = Filter::read(query, INTUNE, Filter::mode(call, query))?;
    let set = Set {
        path: "deviceManagement/managedDevices".to_owned(),
        context: context("deviceManagement/managedDevices", &chosen),
        page: call
            .asked
            .page
            .map_or(MANAGED_PAGE, |n| n.min(MANAGED_PAGE)),
        most: MANAGED_PAGE,
    };
    let all = |start: u32| {
        let devices = device::from(call.world, start, call.day).filter(|d| d.managed);
        devices.filter_map(|d| Some((d.place, filter.pass(managed_values(call, &d, false))?)))
    };
    let items = |start: u32| -> Items<'_> {
        let shown = |(place, values)| (place, Item::Values(chosen.pick(values)));
        Box::new(all(start).map(shown))
    };
    collection::page(call, query, &set, || all(0).count() as u32, items)
}

/// `GET /deviceManagement/managedDevices/{id}`
pub(crate) fn managed_single(call: &Call, id: &str, query: &Query) -> Result<Reply, Failure> {
    let chosen = shape::of("managedDevice").choose(query, true)?;
    let device = by_id(call, Kind::Managed, id)?;
    // What a list leaves out comes when it is selected.
    let values = managed_values(call, &device, chosen.named);
    Ok(collection::entity(
        call,
        &context("deviceManagement/managedDevices", &chosen),
        chosen.pick(values),
    ))
}

/// All values of a managed device.
pub(crate) fn managed_values(call: &Call, device: &Device, single: bool) -> Object {
    let user = call.world.user(device.owner, call.day);
    device_json::intune(call.who, device, user.as_ref(), single)
}

/// The devices that Entra ID knows and that match.
fn registered<'a>(
    call: &'a Call,
    start: u32,
    wanted: Option<&'a [u32]>,
    filter: &'a Filter,
) -> Box<dyn Iterator<Item = (u32, Object)> + 'a> {
    let one = move |device: Device| {
        if !device.registered {
            return None;
        }
        let values = device_json::entra(call.who, &device);
        Some((device.place, filter.pass(values)?))
    };
    match wanted {
        Some(places) => {
            let places = places.iter().copied().filter(move |p| *p >= start);
            Box::new(
                places
                    .filter_map(|p| device::at(call.world, p, call.day))
                    .filter_map(one),
            )
        }
        None => Box::new(device::from(call.world, start, call.day).filter_map(one)),
    }
}

/// The places that a filter names by id, ascending; none if it asks for something else.
fn wanted(call: &Call, kind: Kind, filter: &Filter) -> Result<Option<Vec<u32>>, Failure> {
    let Some(ids) = filter.ids() else {
        return Ok(None);
    };
    let mut places = Vec::with_capacity(ids.len());
    for id in ids {
        let guid = guid::parse(id).ok_or_else(|| {
            Failure::bad(format!(
                "Invalid filter clause: '{id}' is not a valid GUID."
            ))
        })?;
        places.extend(guid::index(call.who.key, kind, guid).and_then(|i| u32::try_from(i).ok()));
    }
    places.sort_unstable();
    places.dedup();
    Ok(Some(places))
}

fn by_id(call: &Call, kind: Kind, id: &str) -> Result<Device, Failure> {
    let place = guid::parse(id).and_then(|g| guid::index(call.who.key, kind, g));
    place
        .and_then(|p| device::at(call.world, u32::try_from(p).ok()?, call.day))
        .filter(|d| match kind {
            Kind::Managed => d.managed,
            _ => d.registered,
        })
        .ok_or_else(|| Failure::missing(id))
}

/// A user as a directory object.
fn person(call: &Call, index: u32, select: Select) -> Option<Item> {
    let user = call.world.user(index, call.day)?;
    let mut text = Vec::with_capacity(300);
    user_json::typed(&mut text, call.who, &user, select);
    Some(Item::Text(text))
}

fn context(set: &str, chosen: &Chosen) -> String {
    if chosen.named {
        format!("{set}({})", chosen.names())
    } else {
        set.to_owned()
    }
}
