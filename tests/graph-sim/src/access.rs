//! Tokens: made without a table, checked by a keyed hash; and who may read what.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::reply::Failure;
use crate::sealed::{base64url, unbase64url};

/// Seconds that a token is good for, as Entra says it.
pub(crate) const EXPIRES_IN: u64 = 3_599;
/// Entra dates its tokens back.
const BACKDATED: u64 = 300;

/// The payload of a token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: String,
    pub(crate) iss: String,
    pub(crate) iat: u64,
    pub(crate) nbf: u64,
    pub(crate) exp: u64,
    pub(crate) appid: String,
    pub(crate) idtyp: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<String>,
    pub(crate) tid: String,
    pub(crate) ver: String,
    pub(crate) wids: Vec<String>,
}

impl Claims {
    pub(crate) fn new(
        tenant: &str,
        app: &str,
        audience: &str,
        roles: Vec<String>,
        unix: u64,
    ) -> Self {
        let start = unix.saturating_sub(BACKDATED);
        Self {
            aud: audience.to_owned(),
            iss: format!("https://sts.windows.net/{tenant}/"),
            iat: start,
            nbf: start,
            exp: unix.saturating_add(EXPIRES_IN + 1),
            appid: app.to_owned(),
            idtyp: "app".to_owned(),
            roles,
            tid: tenant.to_owned(),
            ver: "1.0".to_owned(),
            wids: vec!["0997a1d0-0d1d-4acb-b408-d5ca73121e90".to_owned()],
        }
    }

    /// The token.
    pub(crate) fn sign(&self, key: u64) -> String {
        let payload = serde_json::to_vec(self).unwrap_or_default();
        let signed = format!(
            "{}.{}",
            base64url(br#"{"typ":"JWT","alg":"RS256","kid":"graph-sim"}"#),
            base64url(&payload)
        );
        let signature = base64url(&signature(key, &signed));
        format!("{signed}.{signature}")
    }

    /// Reads a token that was signed with this key and is still good.
    pub(crate) fn verify(key: u64, token: &str, unix: u64) -> Result<Self, Failure> {
        if token.is_empty() {
            return Err(unauthorised("Access token is empty."));
        }
        let garbled = || unauthorised("IDX14100: JWT is not well formed, there are no dots (.).");
        let (signed, hash) = token.rsplit_once('.').ok_or_else(garbled)?;
        let (_, payload) = signed.split_once('.').ok_or_else(garbled)?;
        if unbase64url(hash).as_deref() != Some(&signature(key, signed)[..]) {
            return Err(unauthorised(
                "Access token validation failure. Invalid signature.",
            ));
        }
        let payload = unbase64url(payload).ok_or_else(garbled)?;
        let claims: Self = serde_json::from_slice(&payload).map_err(|_| garbled())?;
        if claims.exp <= unix {
            return Err(unauthorised(
                "Lifetime validation failed, the token is expired.",
            ));
        }
        Ok(claims)
    }
}

/// Whether a token with this audience is one for Graph, which is reached at one of `roots`.
pub(crate) fn is_audience(audience: &str, roots: &[&str]) -> bool {
    let audience = audience.trim_end_matches('/');
    [GRAPH, GRAPH_APP]
        .iter()
        .chain(roots)
        .any(|known| known.trim_end_matches('/') == audience)
}

const GRAPH: &str = "https://graph.microsoft.com";
const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";

/// Graph's refusal of a token.
pub(crate) fn unauthorised(message: &str) -> Failure {
    Failure::new(401, "InvalidAuthenticationToken", message).header(
        "www-authenticate",
        "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"",
    )
}

fn signature(key: u64, text: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(key.to_be_bytes());
    hash.update(text.as_bytes());
    hash.finalize().into()
}

/// What can be read, with the permissions each of which suffices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resource {
    Organization,
    SubscribedSkus,
    Subscriptions,
    Users,
    Groups,
    /// Who is in a group, and of whom it can't license.
    Members,
    LicenceErrors,
    Domains,
    DeletedUsers,
    DeletedGroups,
    /// One deleted object of any kind.
    DeletedItems,
    LicenceDetails,
    Devices,
    /// Intune's devices and applications.
    Managed,
    MailboxSettings,
    Reports,
    ReportSettings,
}

impl Resource {
    fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Organization => &[
                "Organization.Read.All",
                "User.Read.All",
                "Directory.Read.All",
                "Organization.ReadWrite.All",
                "Directory.ReadWrite.All",
                "DeviceManagementServiceConfig.Read.All",
            ],
            Self::SubscribedSkus => &[
                "LicenseAssignment.Read.All",
                "Organization.Read.All",
                "Directory.Read.All",
                "Organization.ReadWrite.All",
                "Directory.ReadWrite.All",
            ],
            Self::Subscriptions => &[
                "Organization.Read.All",
                "Directory.Read.All",
                "Organization.ReadWrite.All",
                "Directory.ReadWrite.All",
            ],
            Self::Groups | Self::Members => &[
                "GroupMember.Read.All",
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            // Not published; this is what reading groups with licences is known to take.
            Self::LicenceErrors => &[
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::Domains => &[
                "Domain.Read.All",
                "Domain.ReadWrite.All",
                "Directory.Read.All",
            ],
            Self::DeletedUsers => &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All"],
            Self::DeletedItems => &[
                "Group.Read.All",
                "Group.ReadWrite.All",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
            ],
            Self::DeletedGroups => &[
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
            ],
            Self::Devices => &[
                "Device.Read.All",
                "Device.ReadWrite.All",
                "Directory.Read.All",
            ],
            Self::Managed => &[
                "DeviceManagementManagedDevices.Read.All",
                "DeviceManagementManagedDevices.ReadWrite.All",
                "DeviceManagementConfiguration.Read.All",
                "DeviceManagementConfiguration.ReadWrite.All",
            ],
            Self::Reports => &["Reports.Read.All"],
            Self::ReportSettings => &["ReportSettings.Read.All", "ReportSettings.ReadWrite.All"],
            Self::MailboxSettings => &["MailboxSettings.Read", "MailboxSettings.ReadWrite"],
            Self::LicenceDetails => &[
                "LicenseAssignment.Read.All",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::Users => &[
                BASIC,
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
        }
    }

    /// Refuses a token without one of the permissions.
    pub(crate) fn check(self, roles: &[String]) -> Result<(), Failure> {
        if roles
            .iter()
            .any(|r| self.permissions().contains(&r.as_str()))
        {
            return Ok(());
        }
        Err(denied())
    }
}

/// Graph's refusal of a token that may not.
pub(crate) fn denied() -> Failure {
    Failure::new(
        403,
        "Authorization_RequestDenied",
        "Insufficient privileges to complete the operation.",
    )
}

/// Whether a token shows only the basic profile of users.
pub(crate) fn only_basic(roles: &[String]) -> bool {
    let all = Resource::Users.permissions();
    let more = roles
        .iter()
        .filter(|r| *r != BASIC)
        .any(|r| all.contains(&r.as_str()));
    !more && roles.iter().any(|r| r == BASIC)
}

const BASIC: &str = "User.ReadBasic.All";
