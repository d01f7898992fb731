//! What operators see of objects that were set aside.

use proto::admin::v1::{
    DatasetName, ListSetAsideResponse, ReplaySetAsideRequest, ReplaySetAsideResponse, Replayed,
    ShowSetAsideResponse,
};
use proto::admin::v1::{ListSetAsideRequest, ShowSetAsideRequest};
use tonic::Status;

use super::{READ, limited};
use crate::Normalizer;
use crate::aside::{self, Row, replay};
use crate::error::Error;

const NOT_KEPT: &str = "its source was not kept";

impl Normalizer {
    pub(super) async fn set_aside(
        &self,
        which: ListSetAsideRequest,
    ) -> Result<ListSetAsideResponse, Status> {
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        let rows = aside::find(&mut read, &which, limited(which.limit, 100), false).await?;
        let objects = rows.iter().map(Row::shown).collect();
        Ok(ListSetAsideResponse { objects })
    }

    pub(super) async fn set_aside_one(
        &self,
        request: &ShowSetAsideRequest,
    ) -> Result<ShowSetAsideResponse, Status> {
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        let Some(row) = aside::one(&mut read, request.id).await? else {
            return Err(Status::not_found(format!(
                "no set-aside object {}, or it is no longer kept",
                request.id
            )));
        };
        let source = self.source(&row).map_err(Status::failed_precondition)?;
        let now = |source: &String| replay::read(&row.dataset, &row.tenant, source).err();
        Ok(ShowSetAsideResponse {
            object: Some(row.shown()),
            reason_now: source.as_ref().and_then(now).unwrap_or_default(),
            source: source.unwrap_or_default(),
        })
    }

    pub(super) async fn replay(
        &self,
        request: ReplaySetAsideRequest,
    ) -> Result<ReplaySetAsideResponse, Status> {
        let which = request.which.unwrap_or_default();
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        let rows = aside::find(&mut read, &which, limited(which.limit, 1_000), true).await?;
        drop(read);
        let mut answer = ReplaySetAsideResponse::default();
        for row in &rows {
            let read = match self.source(row) {
                Ok(Some(source)) => replay::read(&row.dataset, &row.tenant, &source),
                Ok(None) => Err(NOT_KEPT.to_owned()),
                Err(why) => Err(why),
            };
            let due = DatasetName {
                tenant_id: row.tenant.clone(),
                dataset: row.dataset.clone(),
            };
            if read.is_ok() && !answer.due.contains(&due) {
                answer.due.push(due);
            }
            answer.objects.push(Replayed {
                object: Some(row.shown()),
                readable: read.is_ok(),
                reason: read.err().unwrap_or_default(),
            });
        }
        Ok(answer)
    }

    /// The source of an object, if it was kept; else why it can't be opened.
    fn source(&self, row: &Row) -> Result<Option<String>, String> {
        let (Some(under), Some(sealed)) = (&row.sealed_under, &row.source) else {
            return Ok(None);
        };
        let opened = row.place().open(self.0.at_rest.as_deref(), under, sealed);
        opened.map(Some).map_err(|problem| problem.to_string())
    }
}
