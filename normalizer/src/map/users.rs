//! Users. Source: Graph resource types user, assignedLicense and licenseAssignmentState.

use proto::inventory::v1::{AssignedLicense, LicenseAssignmentState, User};
use serde::Deserialize;

use super::notes::Notes;
use super::text::{Maybe, id, ids, moment, text};

pub(super) const USER_TYPES: [&str; 2] = ["Member", "Guest"];
const STATES: [&str; 4] = ["Active", "ActiveWithError", "Disabled", "Error"];
const ERRORS: [&str; 6] = [
    "CountViolation",
    "MutuallyExclusiveViolation",
    "DependencyViolation",
    "ProhibitedInUsageLocationViolation",
    "UniquenessViolation",
    "Other",
];

pub(super) struct Source;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    #[serde(borrow, default)]
    user_principal_name: Maybe<'a>,
    #[serde(borrow, default)]
    display_name: Maybe<'a>,
    #[serde(borrow, default)]
    given_name: Maybe<'a>,
    #[serde(borrow, default)]
    surname: Maybe<'a>,
    #[serde(borrow, default)]
    mail: Maybe<'a>,
    #[serde(default)]
    account_enabled: Option<bool>,
    #[serde(borrow, default)]
    user_type: Maybe<'a>,
    #[serde(borrow, default)]
    employee_id: Maybe<'a>,
    #[serde(borrow, default)]
    employee_type: Maybe<'a>,
    #[serde(borrow, default)]
    department: Maybe<'a>,
    #[serde(borrow, default)]
    company_name: Maybe<'a>,
    #[serde(borrow, default)]
    job_title: Maybe<'a>,
    #[serde(borrow, default)]
    office_location: Maybe<'a>,
    #[serde(borrow, default)]
    city: Maybe<'a>,
    #[serde(borrow, default)]
    country: Maybe<'a>,
    #[serde(borrow, default)]
    usage_location: Maybe<'a>,
    #[serde(borrow, default)]
    created_date_time: Maybe<'a>,
    #[serde(default)]
    on_premises_sync_enabled: Option<bool>,
    #[serde(borrow, default)]
    on_premises_sam_account_name: Maybe<'a>,
    #[serde(borrow, default)]
    on_premises_domain_name: Maybe<'a>,
    #[serde(borrow, default)]
    assigned_licenses: Option<Vec<License<'a>>>,
    #[serde(borrow, default)]
    license_assignment_states: Option<Vec<State<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct License<'a> {
    #[serde(borrow, default)]
    sku_id: Maybe<'a>,
    #[serde(borrow, default)]
    disabled_plans: Option<Vec<Maybe<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    #[serde(borrow, default)]
    sku_id: Maybe<'a>,
    #[serde(borrow, default)]
    assigned_by_group: Maybe<'a>,
    #[serde(borrow, default)]
    state: Maybe<'a>,
    #[serde(borrow, default)]
    error: Maybe<'a>,
    #[serde(borrow, default)]
    disabled_plans: Option<Vec<Maybe<'a>>>,
    #[serde(borrow, default)]
    last_updated_date_time: Maybe<'a>,
}

impl super::Source for Source {
    type Object<'a> = Object<'a>;
    type Record = User;
    const KEY: &'static str = "id";

    fn record(
        tenant: &str,
        o: Object<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, User), &'static str> {
        let user_id = id(o.id).ok_or("no id")?;
        let user = User {
            tenant_id: tenant.to_owned(),
            user_id: user_id.clone(),
            user_principal_name: text(o.user_principal_name),
            display_name: text(o.display_name),
            given_name: text(o.given_name),
            surname: text(o.surname),
            mail: text(o.mail),
            account_enabled: o.account_enabled,
            user_type: text(o.user_type),
            employee_id: text(o.employee_id),
            employee_type: text(o.employee_type),
            department: text(o.department),
            company_name: text(o.company_name),
            job_title: text(o.job_title),
            office_location: text(o.office_location),
            city: text(o.city),
            country: text(o.country),
            usage_location: text(o.usage_location),
            created_date_time: moment(o.created_date_time)?,
            on_premises_sync_enabled: o.on_premises_sync_enabled,
            on_premises_sam_account_name: text(o.on_premises_sam_account_name),
            on_premises_domain_name: text(o.on_premises_domain_name),
            assigned_licenses: licenses(o.assigned_licenses)?,
            license_assignment_states: states(o.license_assignment_states)?,
        };
        notes.value("userType", user.user_type.as_deref(), &USER_TYPES);
        for way in &user.license_assignment_states {
            let state = Some(way.state.as_str());
            notes.value("licenseAssignmentStates.state", state, &STATES);
            notes.value(
                "licenseAssignmentStates.error",
                way.error.as_deref(),
                &ERRORS,
            );
        }
        Ok((user_id, user))
    }
}

fn licenses(list: Option<Vec<License<'_>>>) -> Result<Vec<AssignedLicense>, &'static str> {
    let mut out = Vec::new();
    for l in list.into_iter().flatten() {
        let sku_id = id(l.sku_id).ok_or("an assigned licence without skuId")?;
        out.push(AssignedLicense {
            sku_id,
            disabled_plans: ids(l.disabled_plans),
        });
    }
    out.sort_unstable_by(|a, b| {
        (&a.sku_id, &a.disabled_plans).cmp(&(&b.sku_id, &b.disabled_plans))
    });
    // A product is consumed once. Where it is listed twice, a service is off only if it is off in both.
    out.dedup_by(|later, first| {
        let same = later.sku_id == first.sku_id;
        if same {
            first
                .disabled_plans
                .retain(|p| later.disabled_plans.contains(p));
        }
        same
    });
    Ok(out)
}

fn states(list: Option<Vec<State<'_>>>) -> Result<Vec<LicenseAssignmentState>, &'static str> {
    let mut out = Vec::new();
    for s in list.into_iter().flatten() {
        out.push(LicenseAssignmentState {
            sku_id: id(s.sku_id).ok_or("an assignment state without skuId")?,
            assigned_by_group: id(s.assigned_by_group),
            state: text(s.state).unwrap_or_default(),
            // Documented as null on success, in practice often the text "None".
            error: text(s.error).filter(|e| e != "None"),
            disabled_plans: ids(s.disabled_plans),
            last_updated_date_time: moment(s.last_updated_date_time)?,
        });
    }
    // By every property: Graph may list two ways of one group.
    out.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    out.dedup();
    Ok(out)
}

type Order<'a> = (
    &'a str,
    Option<&'a str>,
    &'a str,
    Option<&'a str>,
    Option<&'a str>,
    &'a [String],
);

fn order(s: &LicenseAssignmentState) -> Order<'_> {
    (
        &s.sku_id,
        s.assigned_by_group.as_deref(),
        &s.state,
        s.error.as_deref(),
        s.last_updated_date_time.as_deref(),
        &s.disabled_plans,
    )
}
