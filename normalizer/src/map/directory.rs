//! Domains, leavers, groups and their members. Sources: Graph resource types domain, user, group, directoryObject.

use proto::inventory::v1::{DeletedUser, Domain, Group, GroupMember};
use serde::Deserialize;

use super::notes::Notes;
use super::text::{Maybe, id, moment, sorted, text};
use super::users::USER_TYPES;

const PROCESSING_STATES: [&str; 3] = [
    "QueuedForProcessing",
    "ProcessingInProgress",
    "ProcessingComplete",
];
const MEMBER_TYPES: [&str; 5] = ["user", "group", "device", "servicePrincipal", "orgContact"];

pub(super) struct Domains;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DomainObject<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    #[serde(borrow, default)]
    authentication_type: Maybe<'a>,
    #[serde(default)]
    is_default: Option<bool>,
    #[serde(default)]
    is_initial: Option<bool>,
    #[serde(default)]
    is_verified: Option<bool>,
    #[serde(borrow, default)]
    supported_services: Option<Vec<Maybe<'a>>>,
}

impl super::Source for Domains {
    type Object<'a> = DomainObject<'a>;
    type Record = Domain;
    const KEY: &'static str = "id";

    fn record(
        tenant: &str,
        o: DomainObject<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, Domain), &'static str> {
        let key = id(o.id).ok_or("no id")?;
        let domain = Domain {
            tenant_id: tenant.to_owned(),
            id: key.clone(),
            authentication_type: text(o.authentication_type),
            is_default: o.is_default,
            is_initial: o.is_initial,
            is_verified: o.is_verified,
            supported_services: sorted(o.supported_services),
        };
        let authentication = domain.authentication_type.as_deref();
        notes.value(
            "authenticationType",
            authentication,
            &["Managed", "Federated"],
        );
        Ok((key, domain))
    }
}

pub(super) struct DeletedUsers;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletedUserObject<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    #[serde(borrow, default)]
    user_principal_name: Maybe<'a>,
    #[serde(borrow, default)]
    display_name: Maybe<'a>,
    #[serde(borrow, default)]
    mail: Maybe<'a>,
    #[serde(borrow, default)]
    user_type: Maybe<'a>,
    #[serde(borrow, default)]
    deleted_date_time: Maybe<'a>,
}

impl super::Source for DeletedUsers {
    type Object<'a> = DeletedUserObject<'a>;
    type Record = DeletedUser;
    const KEY: &'static str = "id";

    fn record(
        tenant: &str,
        o: DeletedUserObject<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, DeletedUser), &'static str> {
        let key = id(o.id).ok_or("no id")?;
        let user = DeletedUser {
            tenant_id: tenant.to_owned(),
            user_id: key.clone(),
            user_principal_name: text(o.user_principal_name),
            display_name: text(o.display_name),
            mail: text(o.mail),
            user_type: text(o.user_type),
            deleted_date_time: moment(o.deleted_date_time)?,
        };
        notes.value("userType", user.user_type.as_deref(), &USER_TYPES);
        Ok((key, user))
    }
}

pub(super) struct Groups;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupObject<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    #[serde(borrow, default)]
    display_name: Maybe<'a>,
    #[serde(borrow, default)]
    group_types: Option<Vec<Maybe<'a>>>,
    #[serde(default)]
    security_enabled: Option<bool>,
    #[serde(default)]
    mail_enabled: Option<bool>,
    #[serde(default)]
    on_premises_sync_enabled: Option<bool>,
    #[serde(borrow, default)]
    assigned_licenses: Option<Vec<License<'a>>>,
    #[serde(borrow, default)]
    license_processing_state: Option<Processing<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct License<'a> {
    #[serde(borrow, default)]
    sku_id: Maybe<'a>,
}

#[derive(Deserialize)]
struct Processing<'a> {
    #[serde(borrow, default)]
    state: Maybe<'a>,
}

impl super::Source for Groups {
    type Object<'a> = GroupObject<'a>;
    type Record = Group;
    const KEY: &'static str = "id";
    const UNUSED: &'static [&'static str] = &["assignedLicenses.disabledPlans"];

    fn record(
        tenant: &str,
        o: GroupObject<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, Group), &'static str> {
        let key = id(o.id).ok_or("no id")?;
        let licences = o.assigned_licenses.into_iter().flatten();
        let group = Group {
            tenant_id: tenant.to_owned(),
            group_id: key.clone(),
            display_name: text(o.display_name),
            group_types: sorted(o.group_types),
            security_enabled: o.security_enabled,
            mail_enabled: o.mail_enabled,
            on_premises_sync_enabled: o.on_premises_sync_enabled,
            assigned_sku_ids: super::text::ids(Some(licences.map(|l| l.sku_id).collect())),
            license_processing_state: o.license_processing_state.and_then(|p| text(p.state)),
        };
        for kind in &group.group_types {
            notes.value("groupTypes", Some(kind), &["Unified", "DynamicMembership"]);
        }
        let state = group.license_processing_state.as_deref();
        notes.value("licenseProcessingState.state", state, &PROCESSING_STATES);
        Ok((key, group))
    }
}

pub(super) struct GroupMembers;

/// As the collector publishes it: the group's id beside Graph's object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupMemberObject<'a> {
    #[serde(borrow, default)]
    group_id: Maybe<'a>,
    #[serde(borrow)]
    value: Member<'a>,
}

#[derive(Deserialize)]
struct Member<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    #[serde(rename = "@odata.type", borrow, default)]
    kind: Maybe<'a>,
}

impl super::Source for GroupMembers {
    type Object<'a> = GroupMemberObject<'a>;
    type Record = GroupMember;
    const KEY: &'static str = "";

    fn record(
        tenant: &str,
        o: GroupMemberObject<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, GroupMember), &'static str> {
        let group_id = id(o.group_id).ok_or("no groupId")?;
        let member_id = id(o.value.id).ok_or("no id")?;
        let kind = text(o.value.kind);
        let member = GroupMember {
            tenant_id: tenant.to_owned(),
            member_type: kind.map(|k| k.trim_start_matches("#microsoft.graph.").to_owned()),
            group_id: group_id.clone(),
            member_id: member_id.clone(),
        };
        notes.value("@odata.type", member.member_type.as_deref(), &MEMBER_TYPES);
        Ok((format!("{group_id}.{member_id}"), member))
    }
}
