//! The documented limits, and which of them a request counts against.

use super::{Asker, Throttling};
use crate::applications;
use crate::query::Query;
use crate::sealed;

/// Size of a tenant by its users: fewer than 50, up to 500, more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    Small,
    Medium,
    Large,
}

impl Size {
    pub(crate) fn of(users: u32) -> Self {
        match users {
            0..50 => Self::Small,
            50..=500 => Self::Medium,
            _ => Self::Large,
        }
    }
}

/// Whose limits count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Service {
    /// The directory: counted in resource units.
    Identity,
    /// `auditLogs` and its like.
    Audit,
    /// Usage reports, each by itself.
    Usage,
    IntuneDevices,
    IntuneOther,
    IntuneExport,
    /// Identity protection and conditional access.
    Protection,
    Mailbox,
}

impl Service {
    pub(super) fn of(path: &[&str]) -> Self {
        match path {
            ["auditLogs", ..] | ["reports", "servicePrincipalSignInActivities", ..] => Self::Audit,
            ["reports", ..] | ["copilot", "reports", ..] => Self::Usage,
            ["deviceManagement", "reports", "exportJobs", ..] => Self::IntuneExport,
            ["deviceManagement", "managedDevices" | "detectedApps", ..] => Self::IntuneDevices,
            ["deviceManagement" | "deviceAppManagement", ..] => Self::IntuneOther,
            ["identityProtection", ..] | ["identity", "conditionalAccess", ..] => Self::Protection,
            ["users", _, "mailboxSettings", ..] => Self::Mailbox,
            _ => Self::Identity,
        }
    }

    pub(super) fn is_intune(self) -> bool {
        matches!(
            self,
            Self::IntuneDevices | Self::IntuneOther | Self::IntuneExport
        )
    }

    /// Whether it tells how long to wait.
    pub(super) fn says_when(self) -> bool {
        matches!(self, Self::Identity | Self::Mailbox)
    }
}

/// Who shares a budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    TenantApplication,
    Tenant,
    Application,
}

/// One budget.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub(super) name: &'static str,
    /// Whose it is: a hash of the scope.
    pub(super) key: u64,
    pub(super) scope: Scope,
    /// `Read`, `Write` or `ReadWrite`.
    pub(super) kind: &'static str,
    pub(super) amount: f64,
    pub(super) millis: u64,
    pub(super) in_units: bool,
}

/// All budgets that a request counts against.
pub(super) fn of(
    asker: &Asker,
    query: &Query,
    service: Service,
    settings: &Throttling,
) -> Vec<Limit> {
    use Scope::{Application, Tenant, TenantApplication};
    let write = asker.method != "GET";
    let requests = |name, scope, amount: u32, seconds: u64| Limit {
        name,
        key: key(asker, scope, ""),
        scope,
        kind: if write { "ReadWrite" } else { "Read" },
        amount: f64::from(amount),
        millis: seconds * 1_000,
        in_units: false,
    };
    let units = |name, scope, amount, seconds| Limit {
        in_units: true,
        ..requests(name, scope, amount, seconds)
    };
    let writes = |name, scope, amount, seconds| Limit {
        kind: "Write",
        ..requests(name, scope, amount, seconds)
    };
    let audit = || requests("audit", TenantApplication, 5, 10);
    let mut limits = vec![requests("global", Application, 130_000, 10)];
    match service {
        Service::Identity if write => limits.extend([
            writes("identity writes", TenantApplication, 3_000, 150),
            writes(
                "identity writes of the application",
                Application,
                35_000,
                300,
            ),
            writes("identity writes of the tenant", Tenant, 18_000, 300),
        ]),
        Service::Identity => {
            let amount = match asker.size {
                Size::Small => 3_500,
                Size::Medium => 5_000,
                Size::Large => 8_000,
            };
            limits.extend([
                units("identity", TenantApplication, amount, 10),
                units("identity of the application", Application, 150_000, 20),
            ]);
            let selects = |name: &str| {
                let list = query.select.as_deref().unwrap_or("");
                list.split(',').any(|n| n.trim().eq_ignore_ascii_case(name))
            };
            if applications::is_path(asker.path) && selects("keyCredentials") {
                limits.push(requests("keyCredentials", Tenant, 150, 60));
            }
            if settings.sign_in_activity_as_report && selects("signInActivity") {
                limits.push(audit());
            }
        }
        Service::Audit => limits.push(audit()),
        Service::Usage => {
            let function = asker.path.iter().rfind(|s| s.starts_with("get"));
            let function = function.unwrap_or(&"").split('(').next().unwrap_or("");
            let json = asker.query.contains("application/json")
                || asker.query.contains("application%2Fjson");
            let each = |limit: Limit| Limit {
                key: key(asker, limit.scope, function),
                ..limit
            };
            if json {
                limits.push(each(requests(
                    "report as JSON",
                    TenantApplication,
                    100,
                    600,
                )));
            } else {
                limits.extend([
                    each(requests("report", TenantApplication, 14, 600)),
                    each(requests("report of the tenant", Tenant, 40, 600)),
                ]);
            }
        }
        Service::IntuneDevices => {
            limits.extend([
                requests("devices", TenantApplication, 2_000, 20),
                requests("devices of the tenant", Tenant, 4_000, 20),
            ]);
            if write {
                limits.extend([
                    writes("device writes", TenantApplication, 200, 20),
                    writes("device writes of the tenant", Tenant, 400, 20),
                ]);
            }
        }
        Service::IntuneOther => {
            limits.extend([
                requests("Intune", TenantApplication, 1_000, 20),
                requests("Intune of the tenant", Tenant, 2_000, 20),
            ]);
            if write {
                limits.extend([
                    writes("Intune writes", TenantApplication, 100, 20),
                    writes("Intune writes of the tenant", Tenant, 200, 20),
                ]);
            }
        }
        Service::IntuneExport => limits.push(requests("export jobs", Application, 48, 60)),
        Service::Protection => limits.push(requests("protection", Tenant, 1, 1)),
        Service::Mailbox => {
            let mailbox = asker.path.get(1).copied().unwrap_or("");
            limits.push(Limit {
                key: key(asker, TenantApplication, mailbox),
                ..requests("mailbox", TenantApplication, 10_000, 600)
            });
        }
    }
    limits
}

fn key(asker: &Asker, scope: Scope, part: &str) -> u64 {
    let (app, tenant) = (asker.app, asker.tenant);
    let part = part.to_ascii_lowercase();
    sealed::digest(&match scope {
        Scope::TenantApplication => format!("{app}/{tenant}/{part}"),
        Scope::Tenant => format!("/{tenant}/{part}"),
        Scope::Application => format!("{app}//{part}"),
    })
}
