//! Reading the applications that Intune found, and the devices of each.

use serde_json::json;

use crate::collection::{self, Item, Items, Set};
use crate::devices;
use crate::directory::object;
use crate::graph::Call;
use crate::installed;
use crate::query::Query;
use crate::reply::{Failure, Reply};
use crate::shape::{self, Object};

/// Objects on a page; how many Graph really sends is not documented.
const PAGE: u16 = 50;
const MOST: u16 = 1_000;

/// `GET /deviceManagement/detectedApps`
pub(crate) fn list(call: &Call, query: &Query) -> Result<Reply, Failure> {
    query.only(&["$select", "$top", "$skiptoken"])?;
    let chosen = shape::of("detectedApp").choose(query, false)?;
    let set = Set {
        path: "deviceManagement/detectedApps".to_owned(),
        context: if chosen.named {
            format!("deviceManagement/detectedApps({})", chosen.names())
        } else {
            "deviceManagement/detectedApps".to_owned()
        },
        page: call.asked.page.map_or(PAGE, |n| n.min(MOST)),
        most: MOST,
    };
    let found = installed::all(call.world, call.day);
    let items = |start: u32| -> Items<'_> {
        let found = found.iter().zip(0..).skip(start as usize);
        let one = |((number, devices), place): (&(u64, u32), u32)| {
            let values = values(call.who.key, *number, *devices);
            (place, Item::Values(chosen.pick(values)))
        };
        Box::new(found.map(one))
    };
    collection::page(call, query, &set, || found.len() as u32, items)
}

/// `GET /deviceManagement/detectedApps/{id}`
pub(crate) fn single(call: &Call, id: &str, query: &Query) -> Result<Reply, Failure> {
    let chosen = shape::of("detectedApp").choose(query, true)?;
    let (number, devices) = find(call, id)?;
    let values = values(call.who.key, number, devices);
    Ok(collection::entity(
        call,
        "deviceManagement/detectedApps",
        chosen.pick(values),
    ))
}

/// `GET /deviceManagement/detectedApps/{id}/managedDevices`
pub(crate) fn devices(call: &Call, id: &str, query: &Query) -> Result<Reply, Failure> {
    query.only(&["$select", "$top", "$skiptoken"])?;
    let chosen = shape::of("managedDevice").choose(query, false)?;
    let (number, count) = find(call, id)?;
    let set = Set {
        path: format!("deviceManagement/detectedApps/{id}/managedDevices"),
        context: "deviceManagement/managedDevices".to_owned(),
        page: call.asked.page.map_or(MOST, |n| n.min(MOST)),
        most: MOST,
    };
    let items = |start: u32| -> Items<'_> {
        let found = installed::devices(call.world, number, start, call.day);
        Box::new(found.map(|d| {
            let values = devices::managed_values(call, &d, false);
            (d.place, Item::Values(chosen.pick(values)))
        }))
    };
    collection::page(call, query, &set, || count, items)
}

fn find(call: &Call, id: &str) -> Result<(u64, u32), Failure> {
    let found = installed::all(call.world, call.day);
    installed::number(call.who.key, id)
        .and_then(|number| {
            let at = found.binary_search_by_key(&number, |(n, _)| *n).ok()?;
            found.get(at).copied()
        })
        .ok_or_else(|| Failure::missing(id))
}

/// All values of an application.
pub(crate) fn values(key: u64, number: u64, devices: u32) -> Object {
    let app = installed::app(key, number);
    object(json!({
        "id": app.id,
        "displayName": app.name,
        "version": app.version,
        "sizeInByte": app.bytes,
        "deviceCount": devices,
        "publisher": app.publisher,
        "platform": app.platform,
    }))
}
