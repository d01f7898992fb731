//! A user as Graph writes it: only what is selected, straight into the answer.

use std::sync::LazyLock;

use crate::calendar;
use crate::catalog;
use crate::guid::{self, Kind as Guid};
use crate::json;
use crate::licence::{ERRORS, State, assigned};
use crate::names::{COUNTRIES, DEPARTMENTS, FIRST, LAST, LOCAL_DOMAIN, SERVICES};
use crate::person::{Kind, Named, User};
use crate::property::{self, Class, Prop, Select, table};
use crate::signin;
use crate::tenant::Identity;

/// The number of `signInActivity`.
static SIGN_IN: LazyLock<Option<u8>> = LazyLock::new(|| property::number("signInActivity"));

/// Appends one user; with `omit_nulls` (delta) a property without a value is left out.
pub(crate) fn write(
    out: &mut Vec<u8>,
    who: &Identity,
    user: &User,
    select: Select,
    omit_nulls: bool,
) {
    let start = out.len();
    for number in select.iter() {
        let Some(property) = table().get(number) else {
            continue;
        };
        let mark = out.len();
        out.extend_from_slice(&property.key);
        let some = match property.class {
            Class::Filled | Class::Guarded => value(out, who, user, number as u8),
            Class::List => {
                out.extend_from_slice(b"[]");
                true
            }
            _ => false,
        };
        if !some {
            // Who never signed in has no such property at all.
            if omit_nulls || Some(number as u8) == *SIGN_IN {
                out.truncate(mark);
            } else {
                out.extend_from_slice(b"null");
            }
        }
    }
    // The first key brought a comma: it becomes the brace.
    match out.get_mut(start) {
        Some(first) => *first = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// Appends a user as a directory object, which says its type.
pub(crate) fn typed(out: &mut Vec<u8>, who: &Identity, user: &User, select: Select) {
    out.extend_from_slice(b"{\"@odata.type\":\"#microsoft.graph.user\"");
    let at = out.len();
    write(out, who, user, select, false);
    if out.len() == at + 2 {
        // Nothing is shown: the empty object's first brace goes.
        out.remove(at);
    } else if let Some(brace) = out.get_mut(at) {
        *brace = b',';
    }
}

/// Appends a value; false when there is none.
pub(crate) fn value(out: &mut Vec<u8>, who: &Identity, user: &User, number: u8) -> bool {
    const fn n(prop: Prop) -> u8 {
        prop as u8
    }
    let person = user.kind != Kind::Service;
    let inside = user.kind != Kind::Guest;
    let country = &COUNTRIES[usize::from(user.country)];
    match number {
        x if x == n(Prop::Id) => {
            out.push(b'"');
            guid::write(out, guid::of(who.key, Guid::User, u64::from(user.index)));
            out.push(b'"');
        }
        x if x == n(Prop::UserPrincipalName) => {
            quoted(out, |out| {
                nickname(out, &user.named());
                out.push(b'@');
                out.extend_from_slice(who.domain.as_bytes());
            });
        }
        x if x == n(Prop::MailNickname) => quoted(out, |out| nickname(out, &user.named())),
        x if x == n(Prop::DisplayName) => quoted(out, |out| {
            json::escaped(out, given(user));
            out.push(b' ');
            if person {
                json::escaped(out, LAST[usize::from(user.last)].0);
            } else {
                json::number(out, u64::from(user.index));
            }
        }),
        x if x == n(Prop::GivenName) && person => json::string(out, given(user)),
        x if x == n(Prop::Surname) && person => json::string(out, LAST[usize::from(user.last)].0),
        // Every eighth service account has no mailbox.
        x if x == n(Prop::Mail) && (person || !user.index.is_multiple_of(8)) => {
            quoted(out, |out| {
                local(out, &user.named());
                out.push(b'@');
                out.extend_from_slice(if inside {
                    who.domain.as_bytes()
                } else {
                    user.partner().as_bytes()
                });
            })
        }
        x if x == n(Prop::AccountEnabled) => json::boolean(out, user.enabled),
        x if x == n(Prop::UserType) && user.typed => {
            json::string(out, if inside { "Member" } else { "Guest" })
        }
        x if x == n(Prop::EmployeeId) && user.employee => quoted(out, |out| {
            out.push(b'E');
            json::number(out, 100_000 + u64::from(user.index));
        }),
        x if x == n(Prop::EmployeeType) && user.employee => {
            json::string(
                out,
                if user.contractor {
                    "Contractor"
                } else {
                    "Employee"
                },
            );
        }
        x if x == n(Prop::Department) && user.employee => {
            json::string(out, DEPARTMENTS[usize::from(user.department)].name);
        }
        x if x == n(Prop::CompanyName) && inside => json::string(out, country.company),
        x if x == n(Prop::CompanyName) => json::string(out, user.partner()),
        x if x == n(Prop::JobTitle) && user.employee => {
            json::string(
                out,
                DEPARTMENTS[usize::from(user.department)].jobs[usize::from(user.job)],
            );
        }
        x if x == n(Prop::OfficeLocation) && user.employee => quoted(out, |out| {
            json::number(out, u64::from(user.office % 40));
            out.push(b'/');
            json::number(out, u64::from(user.office));
        }),
        x if x == n(Prop::City) && inside => {
            json::string(out, country.cities[usize::from(user.city)])
        }
        x if x == n(Prop::Country) && inside => json::string(out, country.name),
        x if x == n(Prop::UsageLocation) && user.located => json::string(out, country.location),
        x if x == n(Prop::CreatedDateTime) => {
            quoted(out, |out| {
                calendar::write(out, user.created, user.created_second)
            });
        }
        x if x == n(Prop::OnPremisesSyncEnabled) => match user.synced {
            Some(synced) => json::boolean(out, synced),
            None => return false,
        },
        // Who was synchronised once keeps both.
        x if x == n(Prop::OnPremisesSamAccountName) && user.synced.is_some() => {
            quoted(out, |out| sam_account_name(out, user));
        }
        x if x == n(Prop::OnPremisesDomainName) && user.synced.is_some() => {
            json::string(out, LOCAL_DOMAIN);
        }
        x if x == n(Prop::AssignedLicenses) => licences(out, user),
        x if x == n(Prop::LicenseAssignmentStates) => states(out, who, user),
        x if x == n(Prop::CreationType) && !inside => json::string(out, "Invitation"),
        x if x == n(Prop::PreferredLanguage) && user.employee => {
            json::string(out, country.language)
        }
        x if Some(x) == *SIGN_IN => return signin::write(out, who, user),
        x if x == n(Prop::MobilePhone) && user.employee && user.index.is_multiple_of(3) => {
            quoted(out, |out| {
                out.extend_from_slice(b"+49 1511 ");
                json::number(out, 1_000_000 + u64::from(user.index));
            });
        }
        x if x == n(Prop::BusinessPhones) => out.extend_from_slice(b"[]"),
        _ => return false,
    }
    true
}

fn quoted(out: &mut Vec<u8>, inside: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    inside(out);
    out.push(b'"');
}

fn given(user: &User) -> &'static str {
    match user.kind {
        Kind::Service => SERVICES[usize::from(user.first)].0,
        _ => FIRST[usize::from(user.first)].0,
    }
}

/// The part of an address before the `@`, unique by the index.
fn local(out: &mut Vec<u8>, user: &Named) {
    match user.kind {
        Kind::Service => {
            out.extend_from_slice(SERVICES[usize::from(user.first)].1.as_bytes());
            out.push(b'-');
        }
        _ => {
            out.extend_from_slice(FIRST[usize::from(user.first)].1.as_bytes());
            out.push(b'.');
            out.extend_from_slice(LAST[usize::from(user.last)].1.as_bytes());
        }
    }
    json::number(out, u64::from(user.index));
}

/// The part of a `userPrincipalName` before its `@`.
pub(crate) fn nickname(out: &mut Vec<u8>, user: &Named) {
    local(out, user);
    if user.kind == Kind::Guest {
        out.push(b'_');
        out.extend_from_slice(user.partner().as_bytes());
        out.extend_from_slice(b"#EXT#");
    }
}

/// At most 20 characters, as Active Directory allows people, and unique by the index.
fn sam_account_name(out: &mut Vec<u8>, user: &User) {
    let name = match user.kind {
        Kind::Service => SERVICES[usize::from(user.first)].1,
        _ => LAST[usize::from(user.last)].1,
    };
    out.extend(name.bytes().take(10));
    json::number(out, u64::from(user.index));
}

fn licences(out: &mut Vec<u8>, user: &User) {
    out.push(b'[');
    let mut first = true;
    for (sku, off) in assigned(&user.paths, user.orphan).into_iter().enumerate() {
        let Some(off) = off else {
            continue;
        };
        if !std::mem::replace(&mut first, false) {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"disabledPlans\":");
        plans(out, sku as u8, off);
        out.extend_from_slice(b",\"skuId\":\"");
        out.extend_from_slice(catalog::get(sku as u8).id.as_bytes());
        out.extend_from_slice(b"\"}");
    }
    out.push(b']');
}

fn states(out: &mut Vec<u8>, who: &Identity, user: &User) {
    out.push(b'[');
    for (i, path) in user.paths.iter().enumerate() {
        out.extend_from_slice(if i > 0 {
            b",{\"skuId\":\""
        } else {
            b"{\"skuId\":\""
        });
        out.extend_from_slice(catalog::get(path.sku).id.as_bytes());
        out.extend_from_slice(b"\",\"disabledPlans\":");
        plans(out, path.sku, path.off);
        out.extend_from_slice(b",\"assignedByGroup\":");
        if path.group == 0 {
            out.extend_from_slice(b"null");
        } else {
            quoted(out, |out| {
                guid::write(out, guid::of(who.key, Guid::Group, u64::from(path.group)))
            });
        }
        out.extend_from_slice(b",\"state\":");
        json::string(out, path.state.name());
        out.extend_from_slice(b",\"error\":");
        match path.state {
            State::Error | State::ActiveWithError => {
                json::string(out, ERRORS[usize::from(path.error) % ERRORS.len()])
            }
            // Documented as null, seen as "None": readers have to take both.
            _ if user.index.is_multiple_of(5) => out.extend_from_slice(b"null"),
            _ => out.extend_from_slice(b"\"None\""),
        }
        out.extend_from_slice(b",\"lastUpdatedDateTime\":");
        let second = (user.created_second + u32::from(path.sku) * 61) % 86_400;
        quoted(out, |out| calendar::write(out, path.since, second));
        out.push(b'}');
    }
    out.push(b']');
}

fn plans(out: &mut Vec<u8>, sku: u8, off: u8) {
    out.push(b'[');
    let mut first = true;
    for (bit, plan) in catalog::get(sku).plans.iter().take(8).enumerate() {
        if off & (1 << bit) != 0 {
            if !std::mem::replace(&mut first, false) {
                out.push(b',');
            }
            json::string(out, plan.id);
        }
    }
    out.push(b']');
}
