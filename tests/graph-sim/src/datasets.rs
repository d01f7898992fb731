//! Which dataset a path below the version root names, beside those of [`crate::graph`].

use crate::access::Resource;
use crate::directory::{self, Deleted};
use crate::graph::Call;
use crate::groups;
use crate::query::Query;
use crate::reply::{Failure, Reply};
use crate::{applications, detected, devices, mailbox, manager, reports, stock};

const DELTA: [&str; 4] = [
    "delta",
    "delta()",
    "microsoft.graph.delta",
    "microsoft.graph.delta()",
];

/// What has to be readable for a path; none for a path that is not of these datasets.
pub(crate) fn resource(path: &[&str]) -> Option<Resource> {
    Some(match path {
        ["groups", _, "membersWithLicenseErrors", ..] => Resource::LicenceErrors,
        ["groups", _, _, ..] => Resource::Members,
        ["groups", ..] => Resource::Groups,
        ["domains", ..] => Resource::Domains,
        ["directory", "deletedItems", "microsoft.graph.user", ..] => Resource::DeletedUsers,
        ["directory", "deletedItems", "microsoft.graph.group", ..] => Resource::DeletedGroups,
        ["directory", "deletedItems", ..] => Resource::DeletedItems,
        ["users", _, "licenseDetails", ..] => Resource::LicenceDetails,
        ["users", _, "mailboxSettings", ..] => Resource::MailboxSettings,
        ["reports", ..] | ["copilot", "reports", ..] => Resource::Reports,
        ["admin", "reportSettings", ..] => Resource::ReportSettings,
        ["directory", key] if by_commerce(key).is_some() => Resource::Subscriptions,
        ["devices", ..] => Resource::Devices,
        path if applications::is_path(path) => Resource::Applications,
        ["deviceManagement", "managedDevices" | "detectedApps", ..] => Resource::Managed,
        _ => return None,
    })
}

/// The answer, if the path is of these datasets.
pub(crate) fn route(call: &Call, path: &[&str], query: &Query) -> Option<Result<Reply, Failure>> {
    Some(match path {
        ["groups"] => groups::list(call, query),
        ["groups", "$count"] => groups::count(call, query),
        ["groups", delta] if DELTA.contains(delta) => crate::group_delta::round(call, query),
        ["groups", id] => groups::single(call, id, query),
        ["groups", id, rest @ ..] => groups::related(call, id, rest, query),
        ["domains"] => directory::domains(call, query),
        ["domains", name] => directory::domain(call, name, query),
        ["directory", "deletedItems", rest @ ..] => deleted(call, rest, query),
        ["users", id, "licenseDetails"] => directory::licence_details(call, id, query),
        ["users", id, "manager"] => manager::single(call, id, query),
        ["subscribedSkus", id] => stock::subscribed_sku(call, query, id),
        ["directory", "subscriptions", id] => stock::subscription(call, query, "id", id),
        ["directory", key] if let Some(id) = by_commerce(key) => {
            stock::subscription(call, query, "commerceSubscriptionId", id)
        }
        ["users", id, "mailboxSettings"] => mailbox::settings(call, id, query, false),
        ["users", id, "mailboxSettings", "userPurpose"] => mailbox::settings(call, id, query, true),
        ["reports", ..] | ["copilot", "reports", ..] => reports::report(call, path, query),
        ["admin", "reportSettings"] => reports::settings(call, query),
        ["devices"] => devices::list(call, query),
        ["devices", "$count"] => devices::count(call, query),
        ["devices", delta] if DELTA.contains(delta) => Err(Failure::unsupported(
            "The simulator has no delta of devices.",
        )),
        ["devices", id] => devices::single(call, id, query),
        ["devices", id, name] => devices::people(call, id, name, query),
        ["deviceManagement", rest @ ..] => intune(call, rest, query),
        path if applications::is_path(path) => applications::answer(call, path, query),
        _ => return None,
    })
}

/// The id in `subscriptions(commerceSubscriptionId='…')`.
fn by_commerce(segment: &str) -> Option<&str> {
    let key = segment.strip_prefix("subscriptions(commerceSubscriptionId='")?;
    key.strip_suffix("')")
}

fn intune(call: &Call, path: &[&str], query: &Query) -> Result<Reply, Failure> {
    if call.sim.config().without_intune.contains(&call.tenant) {
        let message = "Request not applicable to target tenant.";
        return Err(Failure::new(400, "BadRequest", message));
    }
    match path {
        [_, "$count"] => {
            let message = "No OData route exists that match template ~/singleton/navigation/$count with http verb GET.";
            Err(Failure::new(400, "BadRequest", message))
        }
        ["managedDevices"] => devices::managed(call, query),
        ["managedDevices", id] => devices::managed_single(call, id, query),
        ["detectedApps"] => detected::list(call, query),
        ["detectedApps", id] => detected::single(call, id, query),
        ["detectedApps", id, "managedDevices"] => detected::devices(call, id, query),
        [.., segment] => Err(Failure::segment(segment)),
        [] => Err(Failure::segment("deviceManagement")),
    }
}

fn deleted(call: &Call, rest: &[&str], query: &Query) -> Result<Reply, Failure> {
    let of = |cast: &str| match cast {
        "microsoft.graph.user" => Some(Deleted::Users),
        "microsoft.graph.group" => Some(Deleted::Groups),
        _ => None,
    };
    match rest {
        [] => Err(Failure::bad(
            "The request must name a type: directory/deletedItems/microsoft.graph.user.",
        )),
        [cast] if let Some(of) = of(cast) => directory::deleted(call, query, of),
        [cast, "$count"] if let Some(of) = of(cast) => directory::deleted_count(call, of),
        [cast] if cast.starts_with("microsoft.graph.") => Err(Failure::segment(cast)),
        [id] => directory::deleted_item(call, id, query),
        [_, segment, ..] => Err(Failure::segment(segment)),
    }
}
