//! Whether usage reports conceal names.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

/// `GET /admin/reportSettings`: one object. Source: Graph, "Get adminReportSettings".
pub const REPORT_SETTINGS: Declaration = Declaration {
    name: "reportSettings",
    kind: RecordKind::ReportSettings,
    path: "admin/reportSettings",
    select: &[],
    page_sizes: &[],
    reading: Reading::Single,
    ranges: None,
    counted: false,
    needs: &[Need {
        least: "ReportSettings.Read.All",
        or: &[],
    }],
    bucket: Bucket::Identity,
    licence: None,
    clouds: Clouds::Global,
    default: false,
    version: 1,
    cadence: Duration::from_secs(24 * 3600),
    people: People::Nobody,
    reason: "tells whether usage can be matched with users at all",
};
