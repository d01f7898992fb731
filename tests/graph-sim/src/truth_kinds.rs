//! The truth of one kind on one day, some lines at a time: computed by the generator alone, whatever was answered.

use serde_json::{Value, json};

use crate::detected;
use crate::device;
use crate::device_json;
use crate::directory::{self, Deleted};
use crate::group_json;
use crate::guid::{self, Kind as Guid};
use crate::installed;
use crate::licence::assigned;
use crate::mailbox;
use crate::person::User;
use crate::report_cell::Names;
use crate::report_kind::REPORTS;
use crate::report_rows::{Window, subject};
use crate::reports;
use crate::roster::{self, Audience};
use crate::signin;
use crate::sim::Sim;
use crate::stock;
use crate::tenant::Identity;
use crate::user_json;
use crate::users::TRUTH;
use crate::world::World;
use crate::{catalog, report_counts};

/// Users, or groups, that are looked at for one piece.
const CHUNK: u32 = 500;

/// What can be asked for, beside the names of the usage reports.
const KINDS: [&str; 15] = [
    "organization",
    "subscribedSkus",
    "subscriptions",
    "domains",
    "users",
    "deletedUsers",
    "deletedGroups",
    "groups",
    "members",
    "devices",
    "managedDevices",
    "detectedApps",
    "signIns",
    "mailboxPurposes",
    LICENCES,
];

/// Who consumes which SKU.
const LICENCES: &str = "licences";

/// Whether there is such a kind.
pub(crate) fn known(kind: &str) -> bool {
    KINDS.contains(&kind) || REPORTS.iter().any(|r| r.name == kind)
}

impl Sim {
    /// Lines of JSON of a kind on a day from a place on, and where to go on; none for an unknown kind or a day to come.
    pub(crate) fn truth_lines(
        &self,
        tenant: usize,
        kind: &str,
        day: Option<u32>,
        start: u32,
    ) -> Option<(Vec<u8>, Option<u32>)> {
        let worlds = self.worlds();
        let day = day.unwrap_or(worlds.today());
        let world = worlds.tenants.get(tenant)?;
        if day > worlds.today() || !known(kind) {
            return None;
        }
        let teller = Teller {
            sim: self,
            tenant,
            who: self.identity(tenant),
            world,
            day,
        };
        let mut lines = Vec::new();
        let next = teller.tell(kind, start, &mut lines);
        Some((lines, next))
    }
}

struct Teller<'a> {
    sim: &'a Sim,
    tenant: usize,
    who: &'a Identity,
    world: &'a World,
    day: u32,
}

impl Teller<'_> {
    fn tell(&self, kind: &str, start: u32, out: &mut Vec<u8>) -> Option<u32> {
        let (who, world, day) = (self.who, self.world, self.day);
        let small = match kind {
            "organization" => Some(vec![stock::organization_value(who)]),
            "subscribedSkus" => Some(stock::sku_values(self.sim, self.tenant, world, day)),
            "subscriptions" => Some(stock::subscription_values(self.sim, self.tenant)),
            "domains" => Some(values(directory::domain_values(who))),
            "deletedUsers" => Some(values(directory::all(who, world, day, Deleted::Users))),
            "deletedGroups" => Some(values(directory::all(who, world, day, Deleted::Groups))),
            "detectedApps" => {
                let found = installed::all(world, day);
                let one = |(n, devices): &(u64, u32)| detected::values(who.key, *n, *devices);
                Some(values(found.iter().map(one)))
            }
            _ => None,
        };
        if let Some(small) = small {
            small.iter().for_each(|v| line(out, v));
            return None;
        }
        if let "groups" | "members" = kind {
            let end = world.groups.limit(day).min(start.saturating_add(CHUNK));
            (start..end).for_each(|n| self.group(kind, n, out));
            return (end < world.groups.limit(day)).then_some(end);
        }
        if let Some(report) = REPORTS.iter().find(|r| r.name == kind) {
            let window = Window {
                refreshed: day as i32 - self.sim.report_lag().cast_signed(),
                period: 180,
                on: None,
            };
            if report.kind.counts() {
                for row in report_counts::rows(who, world, day, window, report.kind) {
                    let object = reports::object(report, &[row], Names::Shown);
                    line(out, &object.unwrap_or_default().into());
                }
                return None;
            }
            return self.users(
                start,
                |index, out| {
                    let rows = subject(who, world, index, day, window).map(|s| s.rows(report.kind));
                    let object = reports::object(report, &rows.unwrap_or_default(), Names::Shown);
                    object.into_iter().for_each(|o| line(out, &o.into()));
                },
                out,
            );
        }
        self.users(
            start,
            |index, out| match kind {
                "devices" | "managedDevices" => self.devices(kind, index, out),
                _ => {
                    if let Some(user) = world.user(index, day) {
                        self.user(kind, &user, out);
                    }
                }
            },
            out,
        )
    }

    /// Calls for each index of a piece.
    fn users(
        &self,
        start: u32,
        mut each: impl FnMut(u32, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Option<u32> {
        let limit = self.world.limit(self.day);
        let end = limit.min(start.saturating_add(CHUNK));
        (start..end).for_each(|index| each(index, out));
        (end < limit).then_some(end)
    }

    fn id(&self, kind: Guid, index: u32) -> String {
        guid::text(guid::of(self.who.key, kind, u64::from(index)))
    }

    fn user(&self, kind: &str, user: &User, out: &mut Vec<u8>) {
        let id = self.id(Guid::User, user.index);
        match kind {
            "users" => {
                user_json::write(out, self.who, user, TRUTH, false);
                out.push(b'\n');
            }
            "signIns" => {
                let mut text = Vec::new();
                let signed = signin::write(&mut text, self.who, user);
                let activity: Value = if signed {
                    serde_json::from_slice(&text).unwrap_or_default()
                } else {
                    Value::Null
                };
                line(out, &json!({"id": id, "signInActivity": activity}));
            }
            "mailboxPurposes" => {
                let purpose = mailbox::purpose(self.who.key, user);
                line(out, &json!({"id": id, "userPurpose": purpose}));
            }
            LICENCES => {
                for (sku, off) in assigned(&user.paths, user.orphan).iter().enumerate() {
                    if off.is_some() {
                        let sku = catalog::get(sku as u8).id;
                        line(out, &json!({"skuId": sku, "userId": id}));
                    }
                }
            }
            _ => {}
        }
    }

    fn devices(&self, kind: &str, owner: u32, out: &mut Vec<u8>) {
        let user = self.world.user(owner, self.day);
        for device in device::of_user(self.world, owner, self.day) {
            if kind == "devices" && device.registered {
                line(out, &device_json::entra(self.who, &device).into());
            }
            if kind == "managedDevices" && device.managed {
                let values = device_json::intune(self.who, &device, user.as_ref(), false);
                line(out, &values.into());
            }
        }
    }

    fn group(&self, kind: &str, number: u32, out: &mut Vec<u8>) {
        let (world, day) = (self.world, self.day);
        let Some(group) = world.groups.group(self.who.key, number, day) else {
            return;
        };
        if kind == "groups" {
            line(out, &group_json::values(self.who, &group, day).into());
            return;
        }
        let id = self.id(Guid::Group, number);
        for inner in roster::inside(world, number, day) {
            line(
                out,
                &json!({"groupId": id, "memberId": self.id(Guid::Group, inner.number), "type": "group"}),
            );
        }
        for device in roster::devices(world, number, day, 0) {
            line(
                out,
                &json!({"groupId": id, "memberId": self.id(Guid::Device, device.place), "type": "device"}),
            );
        }
        let audience = Audience::of(world, number, day, false);
        for index in audience.candidates(world, day, 0) {
            if world.user(index, day).is_some_and(|u| audience.holds(&u)) {
                line(
                    out,
                    &json!({"groupId": id, "memberId": self.id(Guid::User, index), "type": "user"}),
                );
            }
        }
    }
}

fn values(objects: impl IntoIterator<Item = crate::shape::Object>) -> Vec<Value> {
    objects.into_iter().map(Value::Object).collect()
}

fn line(out: &mut Vec<u8>, value: &Value) {
    out.extend_from_slice(value.to_string().as_bytes());
    out.push(b'\n');
}
