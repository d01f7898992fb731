//! Who manages whom: everybody of the company but one has a manager among those who came before.

use crate::collection;
use crate::graph::Call;
use crate::guid;
use crate::person::{Kind, User};
use crate::property::Select;
use crate::query::{self, Query};
use crate::reply::{Failure, Reply};
use crate::user_json;
use crate::user_query;

/// People whom one manages, at most.
const SPAN: u32 = 8;

/// The manager of a user; none for guests, services, and who is on top.
pub(crate) fn of(call: &Call, user: &User) -> Option<User> {
    let mut index = (user.kind == Kind::Member).then_some(user.index)?;
    // Where a manager has left, the one above takes over.
    while index > 0 {
        index /= SPAN;
        let above = call.world.user(index, call.day);
        if let Some(above) = above.filter(|u| u.kind == Kind::Member && u.index != user.index) {
            return Some(above);
        }
    }
    None
}

/// What of the manager `$expand=manager` or `$expand=manager($select=…)` shows.
pub(crate) fn shown(call: &Call, expand: &str) -> Result<Select, Failure> {
    let options = expand.split_once('(').map_or("", |(_, o)| o);
    let query = Query::parse(options.trim().trim_end_matches(')'))?;
    query.only(&["$select"])?;
    let select = query.user_select()?;
    query::check_collection(select, call.roles)?;
    Ok(select)
}

/// Puts the manager into the object that was just written; who has none gets no such property.
pub(crate) fn expand(call: &Call, user: &User, select: Select, body: &mut Vec<u8>) {
    let Some(manager) = of(call, user) else {
        return;
    };
    // The brace of the object comes back after the manager's.
    body.pop();
    if body.last() != Some(&b'{') {
        body.push(b',');
    }
    body.extend_from_slice(b"\"manager\":");
    user_json::typed(body, call.who, &manager, select);
    body.push(b'}');
}

/// `GET /users/{id}/manager`
pub(crate) fn single(call: &Call, id: &str, query: &Query) -> Result<Reply, Failure> {
    query.only(&["$select"])?;
    let select = query.user_select()?;
    query::check_collection(select, call.roles)?;
    let user = match guid::parse(id) {
        Some(guid) => user_query::find(call, guid),
        None => user_query::by_name(call, id),
    };
    let user = user.ok_or_else(|| Failure::missing(id))?;
    let manager = of(call, &user).ok_or_else(|| Failure::missing("manager"))?;
    let mut body = Vec::with_capacity(400);
    user_json::typed(&mut body, call.who, &manager, select);
    let object = serde_json::from_slice(&body).unwrap_or_default();
    Ok(collection::entity(call, "directoryObjects", object))
}
