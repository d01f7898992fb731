//! An event as a receiver reads it: CloudEvents 1.0 in JSON, with what is ours as extension attributes.

use proto::ids::TenantId;
use runtime::clock::rfc3339;
use serde::{Serialize, Serializer};

/// What happened. Few, because metrics have it as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Application permissions of an app have changed.
    DriftPermissions,
    /// Its directory roles have.
    DriftDirectoryRoles,
    /// Its service principal is another one.
    DriftPrincipal,
    /// It may more than it should, and gets no token.
    ExcessRefused,
    /// What it may too much is tolerated for some days only.
    ExceptionEnds,
    /// A credential ends soon.
    CredentialEnds,
    /// Entra ID refuses a credential or the app, and that doesn't pass by itself.
    CredentialRefused,
    /// A credential can't be shown to Entra ID at all.
    CredentialUnusable,
    /// A token is not the one that was asked for.
    TokenUnexpected,
    /// A caller asked for more tenants than it may.
    PolicyCap,
}

impl Kind {
    /// Its `type`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::DriftPermissions => "leastwise.drift.permissions",
            Kind::DriftDirectoryRoles => "leastwise.drift.directory-roles",
            Kind::DriftPrincipal => "leastwise.drift.service-principal",
            Kind::ExcessRefused => "leastwise.excess.refused",
            Kind::ExceptionEnds => "leastwise.exception.ends",
            Kind::CredentialEnds => "leastwise.credential.ends",
            Kind::CredentialRefused => "leastwise.credential.refused",
            Kind::CredentialUnusable => "leastwise.credential.unusable",
            Kind::TokenUnexpected => "leastwise.token.unexpected",
            Kind::PolicyCap => "leastwise.policy.cap",
        }
    }
}

/// Whom it is about.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Subject {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The caller's identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Our code, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// What is sent. Never holds a token or a secret.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Message {
    specversion: &'static str,
    pub id: String,
    source: &'static str,
    #[serde(rename = "type", serialize_with = "name")]
    pub kind: Kind,
    time: String,
    #[serde(flatten)]
    pub subject: Subject,
    /// What happened, for people.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

impl Message {
    /// `now` is in microseconds since 1970.
    pub(super) fn new(
        kind: Kind,
        subject: Subject,
        detail: String,
        remedy: String,
        now: u64,
    ) -> Self {
        Message {
            specversion: "1.0",
            id: uuid::Uuid::new_v4().to_string(),
            source: "/leastwise/token-broker",
            kind,
            time: rfc3339(now),
            subject,
            detail,
            remedy,
        }
    }
}

fn name<S: Serializer>(kind: &Kind, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(kind.name())
}

fn text<S: Serializer>(tenant: &Option<TenantId>, s: S) -> Result<S::Ok, S::Error> {
    match tenant {
        Some(tenant) => s.collect_str(tenant),
        None => s.serialize_none(),
    }
}
