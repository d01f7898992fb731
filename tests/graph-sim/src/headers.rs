//! Headers that every answer of Graph has.

use crate::calendar;
use crate::reply::{Ids, Reply};

/// Which server answered; a real one names another each time, which nobody may rely on.
const DIAGNOSTIC: &str = r#"{"ServerInfo":{"DataCenter":"West Europe","Slice":"E","Ring":"5","ScaleUnit":"004","RoleInstance":"SIM0001"}}"#;

/// Adds them.
pub(crate) fn common(reply: Reply, ids: &Ids) -> Reply {
    reply
        .header("request-id", ids.request.as_str())
        .header("client-request-id", ids.client.as_str())
        .header("x-ms-ags-diagnostic", DIAGNOSTIC)
        .header("date", calendar::http(ids.unix))
        .header("cache-control", "no-cache")
        .header("odata-version", "4.0")
}
