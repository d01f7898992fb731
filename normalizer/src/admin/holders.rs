//! Who holds a product, by which ways.

use std::collections::HashMap;

use futures::stream::{self, StreamExt as _};
use proto::admin::v1::{HoldersBatch, HoldersRequest, LicenseHolder};
use proto::inventory::v1::{LicenseAssignment, User};
use runtime::db::{Connection, Db};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::READ;
use super::explain::group_name;
use crate::error::Error;
use crate::feed::Batches;
use crate::position::paths;
use crate::store;

/// Batches that wait for a slow reader.
const AHEAD: usize = 2;

type Sending = Sender<Result<HoldersBatch, Status>>;

/// The stream, all of one moment. Reading goes on only while it is polled, and dropping it ends the transaction.
pub(super) fn stream(db: Db, request: HoldersRequest) -> Batches<HoldersBatch> {
    let (sender, receiver) = channel(AHEAD);
    let work = async move {
        if let Err(e) = read(&db, &request, &sender).await {
            _ = sender.send(Err(e.into())).await;
        }
    };
    let work = stream::once(work).filter_map(|()| async { None });
    Box::pin(stream::select(ReceiverStream::new(receiver), work))
}

async fn read(db: &Db, request: &HoldersRequest, to: &Sending) -> Result<(), Error> {
    let mut moment = db.snapshot().await.map_err(Error::db(READ))?;
    let Some(tenant) = store::tenant(&mut moment, &request.tenant_id).await? else {
        return Ok(());
    };
    let mut groups = Groups {
        tenant,
        names: HashMap::new(),
    };
    let mut after = String::new();
    loop {
        let users = store::users(&mut moment, tenant, &mut after).await?;
        if users.is_empty() {
            return Ok(());
        }
        let mut holders = Vec::new();
        for body in &users {
            let user: User = store::read(body)?;
            holders.append(&mut of_user(&mut moment, &mut groups, request, &user).await?);
        }
        if !holders.is_empty() && to.send(Ok(HoldersBatch { holders })).await.is_err() {
            return Ok(()); // nobody listens any more
        }
    }
}

/// What is wanted of a user.
async fn of_user(
    c: &mut Connection,
    groups: &mut Groups,
    request: &HoldersRequest,
    user: &User,
) -> Result<Vec<LicenseHolder>, Error> {
    let ways = paths::rows(user);
    let consumed = |sku: &str| {
        let ways = ways.iter().filter(|w| w.sku_id == sku && w.consumes);
        ways.cloned().collect::<Vec<LicenseAssignment>>()
    };
    let wanted = match request.in_error {
        false => consumed(&request.sku_id),
        true => {
            let of_it = ways.iter().filter(|w| w.sku_id == request.sku_id);
            let failed = of_it.filter(|w| w.state.as_deref() == Some("Error"));
            failed.cloned().collect()
        }
    };
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut also_by = Vec::new();
    if !request.also_sku_id.is_empty() {
        for way in consumed(&request.also_sku_id) {
            also_by.push(match way.assigned_by_group {
                Some(group) => match groups.name(c, &group).await? {
                    name if name.is_empty() => group,
                    name => name,
                },
                None => way.path,
            });
        }
        if also_by.is_empty() {
            return Ok(Vec::new());
        }
    }
    let mut holders = Vec::new();
    for way in wanted {
        let group_name = match &way.assigned_by_group {
            Some(group) => groups.name(c, group).await?,
            None => String::new(),
        };
        let this = |text: &str| text.eq_ignore_ascii_case(&request.group);
        let by_it = way.assigned_by_group.as_deref().is_some_and(this) || this(&group_name);
        if !request.group.is_empty() && !by_it {
            continue;
        }
        holders.push(LicenseHolder {
            user_id: user.user_id.clone(),
            user_principal_name: user.user_principal_name.clone(),
            display_name: user.display_name.clone(),
            department: user.department.clone(),
            account_enabled: user.account_enabled,
            path: way.path,
            group_id: way.assigned_by_group,
            group_name,
            state: way.state,
            error: way.error,
            also_by: also_by.clone(),
        });
    }
    Ok(holders)
}

/// Names of the groups that assign products, each asked for once: they are few.
struct Groups {
    tenant: i64,
    names: HashMap<String, String>,
}

impl Groups {
    async fn name(&mut self, c: &mut Connection, id: &str) -> Result<String, Error> {
        if let Some(name) = self.names.get(id) {
            return Ok(name.clone());
        }
        let name = group_name(c, self.tenant, id).await?.unwrap_or_default();
        self.names.insert(id.to_owned(), name.clone());
        Ok(name)
    }
}
