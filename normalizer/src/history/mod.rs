//! Former states of records, kept in the transaction that replaces them.
//!
//! A row is a whole former state, copied within the database before the new state takes its place: the first load of a
//! dataset writes none, and later runs write as many as they change. docs/retention.md says how long they stay.

pub(crate) mod fields;
pub(crate) mod read;

use proto::kind::RecordKind;
use runtime::db::Connection;

use crate::error::Error;
use crate::ledger::bulk::{self, Shared};

/// Whether former states of this kind are kept. Not of those of which every reading changes nearly every record, by a
/// time of last use or a count: their history would be as large as all readings together.
pub(crate) fn keeps(kind: RecordKind) -> bool {
    match kind {
        RecordKind::Organization
        | RecordKind::SubscribedSku
        | RecordKind::Subscription
        | RecordKind::User
        | RecordKind::LicensePosition
        | RecordKind::Domain
        | RecordKind::DeletedUser
        | RecordKind::Group
        | RecordKind::GroupMember
        | RecordKind::MailboxPurpose
        | RecordKind::Device
        | RecordKind::ReportSettings
        | RecordKind::Finding => true,
        RecordKind::Unspecified
        | RecordKind::SignInActivity
        | RecordKind::ManagedDevice
        | RecordKind::DetectedApp
        | RecordKind::OfficeActivation
        | RecordKind::OfficeActiveUser
        | RecordKind::M365AppUsage
        | RecordKind::TeamsActivity
        | RecordKind::EmailActivity
        | RecordKind::MailboxUsage
        | RecordKind::OnedriveUsage
        | RecordKind::OnedriveActivity
        | RecordKind::SharepointActivity
        | RecordKind::CopilotUsage => false,
    }
}

/// Keeps the present state of these records, which the run is about to replace. What the same run has written is no
/// state that anybody saw.
pub(crate) async fn keep(c: &mut Connection, run: &Shared, ids: &[i64]) -> Result<(), Error> {
    if ids.is_empty() || !keeps(run.kind) {
        return Ok(());
    }
    let kept = bulk::keep(c, run, ids).await;
    kept.map_err(Error::db("keep former states of records"))
}
