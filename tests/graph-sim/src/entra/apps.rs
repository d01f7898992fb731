//! The applications of a tenant: a pure function of the tenant, like everything else that nobody changed.

use super::keys::{CLIENTS, EXPIRED, Key};
use crate::guid::{self, Kind};
use crate::rng::mix;
use crate::sealed;
use crate::tenant::Identity;

const DAY: u64 = 86_400;
/// 2299-12-31, which is what secrets got that should never end.
const NEVER: u64 = 10_413_705_600;

/// The application that reads everything: what [`crate::TenantInfo`] names.
pub(crate) const MAIN: usize = 0;
/// How many applications each tenant has.
pub(crate) const COUNT: usize = 5;

/// An application, with its service principal.
pub(crate) struct App {
    pub(crate) index: usize,
    pub(crate) name: &'static str,
    /// `appId`
    pub(crate) client: String,
    /// `id` of the application object.
    pub(crate) object: String,
    /// `id` of the service principal.
    pub(crate) principal: String,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) certificates: Vec<Certificate>,
    /// Signs people in on devices and has no credential of its own.
    pub(crate) public: bool,
}

/// A password credential.
pub(crate) struct Secret {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) name: &'static str,
    /// Days after the start of the simulation, negative for before; no end: it never ends.
    days: (i64, Option<i64>),
}

/// A key credential.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) id: String,
    pub(crate) key: &'static Key,
}

impl Secret {
    /// From when and until when it is good, if the simulation started at this time.
    ///
    /// Whole days, so that two runs on one day say the same.
    pub(crate) fn life(&self, started: u64) -> (u64, u64) {
        let midnight = started / DAY * DAY;
        let at = |days: i64| midnight.saturating_add_signed(days * DAY as i64);
        (at(self.days.0), self.days.1.map_or(NEVER, at))
    }
}

/// The application with this number.
pub(crate) fn app(who: &Identity, index: usize) -> App {
    let text = |kind, n| guid::text(guid::of(who.key, kind, n));
    let number = index as u64;
    let secret = |n: u64, name, days| Secret {
        id: text(Kind::Credential, number * 16 + n),
        text: secret(who, number * 16 + n),
        name,
        days,
    };
    let certificate = |n: u64, key| Certificate {
        id: text(Kind::Credential, number * 16 + 8 + n),
        key,
    };
    let own = usize::from(who.number) % 3;
    let (name, secrets, certificates) = match index {
        MAIN => (
            "Inventory",
            vec![secret(0, "inventory", (-30, None))],
            vec![certificate(0, &CLIENTS[own])],
        ),
        1 => (
            "Inventory, users only",
            vec![secret(0, "users", (-30, Some(335)))],
            vec![],
        ),
        2 => (
            "Inventory, not renewed",
            vec![
                secret(0, "ends soon", (-173, Some(7))),
                secret(1, "ended", (-400, Some(-35))),
            ],
            vec![certificate(0, &EXPIRED)],
        ),
        3 => (
            "Inventory, being renewed",
            vec![
                secret(0, "old", (-150, Some(30))),
                secret(1, "new", (-1, Some(179))),
            ],
            vec![
                certificate(0, &CLIENTS[3 + own]),
                certificate(1, &CLIENTS[3 + (own + 1) % 3]),
            ],
        ),
        _ => ("Inventory on a device", vec![], vec![]),
    };
    App {
        index,
        name,
        client: text(Kind::Client, number),
        object: text(Kind::Application, number),
        principal: text(Kind::Principal, number),
        public: index + 1 == COUNT,
        secrets,
        certificates,
    }
}

/// The application with this client id.
pub(crate) fn find(who: &Identity, client: &str) -> Option<App> {
    let index = guid::index(who.key, Kind::Client, guid::parse(client)?)?;
    let index = usize::try_from(index).ok().filter(|n| *n < COUNT)?;
    Some(app(who, index))
}

fn secret(who: &Identity, number: u64) -> String {
    let word = |n: u64| mix(who.key, 71 + n + 3 * number).to_be_bytes();
    format!(
        "sim8Q~{}",
        sealed::base64url(&[word(0), word(1), word(2)].concat())
    )
}
