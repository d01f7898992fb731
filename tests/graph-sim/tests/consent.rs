//! What opens a dataset: its least permission, and no other of the least ones unless Graph says so.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use graph_sim::{Config, Sim};
use support::Client;

/// Permissions, and the datasets that each opens, by position among the paths.
const OPENS: [(&str, &[usize]); 13] = [
    ("Domain.Read.All", &[0]),
    ("GroupMember.Read.All", &[1, 2, 3]),
    ("Group.Read.All", &[1, 2, 3, 5]),
    ("User.Read.All", &[4, 12]),
    ("Device.Read.All", &[6]),
    ("DeviceManagementManagedDevices.Read.All", &[7, 8]),
    ("DeviceManagementConfiguration.Read.All", &[7, 8]),
    ("Reports.Read.All", &[9, 10]),
    ("ReportSettings.Read.All", &[11]),
    ("LicenseAssignment.Read.All", &[12]),
    ("MailboxSettings.Read", &[13]),
    ("Directory.Read.All", &[0, 1, 2, 3, 4, 5, 6, 12]),
    ("AuditLog.Read.All", &[]),
];

#[tokio::test]
async fn each_permission_opens_its_datasets() {
    let sim = Sim::new(Config {
        users: 40,
        tenants: OPENS.len() as u16,
        roles_of: OPENS
            .iter()
            .enumerate()
            .map(|(n, (name, _))| (n, vec![(*name).to_owned()]))
            .collect(),
        ..Config::default()
    });
    for (n, (permission, open)) in OPENS.iter().enumerate() {
        let client = Client::of(&sim, n).await;
        let truth = client.truth();
        let licensed = |u: &&String| {
            truth[*u]["accountEnabled"] == true && truth[*u]["department"].is_string()
        };
        let user = truth.keys().find(licensed).unwrap();
        let paths = [
            "/domains".to_owned(),
            "/groups".to_owned(),
            "/groups/delta".to_owned(),
            "/groups?$filter=hasMembersWithLicenseErrors%20eq%20true".to_owned(),
            "/directory/deletedItems/microsoft.graph.user".to_owned(),
            "/directory/deletedItems/microsoft.graph.group".to_owned(),
            "/devices".to_owned(),
            "/deviceManagement/managedDevices".to_owned(),
            "/deviceManagement/detectedApps".to_owned(),
            "/reports/getMailboxUsageDetail(period='D7')".to_owned(),
            "/copilot/reports/getMicrosoft365CopilotUserCountSummary(period='D7')".to_owned(),
            "/admin/reportSettings".to_owned(),
            format!("/users/{user}/licenseDetails"),
            format!("/users/{user}/mailboxSettings/userPurpose"),
        ];
        for (position, path) in paths.iter().enumerate() {
            let answer = client.get(path).await;
            if open.contains(&position) {
                assert!(
                    answer.status < 400,
                    "{permission} opens {path}: {}",
                    answer.status
                );
            } else {
                assert_eq!(
                    answer.code(),
                    "Authorization_RequestDenied",
                    "{permission} {path}"
                );
            }
        }
    }
}
