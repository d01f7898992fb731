//! Credentials and exceptions that end: told before, once for each threshold.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{Days, NaiveDate, NaiveTime};
use proto::ids::TenantId;
use runtime::metrics::token as metrics;

use super::memory::Key;
use super::{Events, Kind, of};
use crate::registry::App;

/// Days before an end from which on it is told; zero: it is over.
const THRESHOLDS: [u64; 5] = [0, 1, 7, 14, 30];

const DAY: u64 = 86_400;
/// An app that nobody asked a token of for so long is no longer there.
const SEEN_WITHIN: u64 = 2 * DAY;

/// The threshold that a moment has passed, `end` and `now` in seconds since 1970.
fn threshold(end: u64, now: u64) -> Option<u64> {
    let left = end.saturating_sub(now);
    let passed = THRESHOLDS.iter().find(|days| left <= **days * DAY);
    passed.copied()
}

/// Whose credential, and which of the app's.
type Place = (TenantId, String, usize);

/// When each credential ends and when that was last seen, in seconds since 1970.
#[derive(Default)]
pub(super) struct Ends(Mutex<HashMap<Place, (u64, u64)>>);

impl Ends {
    fn note(&self, app: &App, ends: &[(usize, u64)], now: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(tenant, name, _), (_, seen)| {
            now.saturating_sub(*seen) < SEEN_WITHIN && (*tenant, name) != (app.tenant, &app.name)
        });
        for (credential, end) in ends {
            all.insert((app.tenant, app.name.clone(), *credential), (*end, now));
        }
        let next = all.values().map(|(end, _)| *end).min();
        let soon = all
            .values()
            .filter(|(end, _)| threshold(*end, now).is_some());
        metrics::credentials_end(next.map(|end| days(end, now)), soon.count());
        let mut first = BTreeMap::new();
        for ((tenant, app, _), (end, _)) in all.iter() {
            let known = first.entry((*tenant, app.clone())).or_insert(*end);
            *known = (*known).min(*end);
        }
        let first = first.into_iter();
        metrics::ends(
            first
                .map(|((tenant, app), end)| (tenant.to_string(), app, days(end, now)))
                .collect(),
        );
    }
}

impl Events {
    /// Looks at when an app's credentials end, also of those that are not in use: each was meant to be.
    pub(crate) fn watch(&self, app: &App) {
        let now = self.now() / 1_000_000;
        let all = app.credentials.iter().enumerate();
        let ends: Vec<(usize, u64)> = all
            .filter_map(|(n, c)| Some((n, c.ends(&app.files)?)))
            .collect();
        for (credential, end) in &ends {
            self.watch_end(app, *credential, *end, now);
        }
        self.0.ends.note(app, &ends, now);
    }

    fn watch_end(&self, app: &App, credential: usize, end: u64, now: u64) {
        let Some(days) = threshold(end, now) else {
            return;
        };
        let key = Key {
            kind: Kind::CredentialEnds,
            tenant: Some(app.tenant),
            app: app.name.clone(),
            part: credential.to_string(),
        };
        let state = format!("{end} {days}");
        if !self.0.memory.is_new(key, state, self.now(), None) {
            return;
        }
        let kind = app.credentials.get(credential).map_or("", |c| c.kind());
        let detail = format!(
            "tenant {}, app `{}`: credential {} ({kind}) {}",
            app.tenant,
            app.name,
            credential + 1,
            told(end, now)
        );
        let remedy = "add the next one beside it, to the app registration and to the app's credentials; then take this one out";
        self.tell(
            Kind::CredentialEnds,
            of(app.tenant, &app.name),
            detail,
            remedy.to_owned(),
        );
    }

    /// An exception is in use: told before its last day is over.
    pub(crate) fn tolerated(&self, app: &App, role: &str, until: NaiveDate) {
        let now = self.now() / 1_000_000;
        let end = until.checked_add_days(Days::new(1)).unwrap_or(until);
        let end = end.and_time(NaiveTime::MIN).and_utc().timestamp();
        let end = u64::try_from(end).unwrap_or(0);
        let Some(days) = threshold(end, now) else {
            return;
        };
        let key = Key {
            kind: Kind::ExceptionEnds,
            tenant: Some(app.tenant),
            app: app.name.clone(),
            part: role.to_owned(),
        };
        let state = format!("{end} {days}");
        if !self.0.memory.is_new(key, state, self.now(), None) {
            return;
        }
        let detail = format!(
            "tenant {}, app `{}`: {role} is tolerated until {until}; the exception {}",
            app.tenant,
            app.name,
            told(end, now)
        );
        let remedy = "have an administrator of the tenant remove it from the app before that day: after it the app gets no token";
        self.tell(
            Kind::ExceptionEnds,
            of(app.tenant, &app.name),
            detail,
            remedy.to_owned(),
        );
    }
}

/// Until an end; negative when it is over.
fn days(end: u64, now: u64) -> f64 {
    let seconds = |of: u64| Duration::from_secs(of).as_secs_f64();
    (seconds(end) - seconds(now)) / seconds(DAY)
}

fn told(end: u64, now: u64) -> String {
    let day = i64::try_from(end).ok();
    let day = day.and_then(|end| chrono::DateTime::from_timestamp(end, 0));
    let day = day.unwrap_or_default().date_naive();
    match end.saturating_sub(now) {
        0 => format!("ended on {day}"),
        left => format!("ends on {day}, within {} days", left.div_ceil(DAY)),
    }
}

#[cfg(test)]
mod tests {
    use runtime::Clock;

    use super::*;

    /// A certificate that ends at a time, with its key, as PEM.
    fn certificate(end: u64) -> String {
        let key =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
                .unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let day = chrono::DateTime::from_timestamp(end as i64, 0).unwrap();
        let day = day.date_naive();
        use chrono::Datelike as _;
        params.not_after = rcgen::date_time_ymd(day.year(), day.month() as u8, day.day() as u8);
        params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
    }

    #[test]
    fn each_threshold_of_a_credential_is_told_once_also_of_one_that_is_not_in_use() {
        let home = tempfile::tempdir().unwrap();
        let start = 1_800_000_000 / DAY * DAY;
        let file = home.path().join("app.pem");
        std::fs::write(&file, certificate(start + 40 * DAY)).unwrap();
        let other = crate::CredentialConfig::ClientSecret {
            file: home.path().join("secret").into(),
            expires: None,
        };
        let second = crate::CredentialConfig::Certificate {
            certificate_file: file.clone(),
            key_file: None,
            password_file: None,
            algorithm: crate::Algorithm::default(),
        };
        let app = super::super::app(vec![other, second]);
        let clock = Clock::starting_at(start * 1_000_000);
        let events = Events::kept(clock.clone());
        let mut told = Vec::new();
        for day in 0..45 {
            for _ in 0..2 {
                events.watch(&app);
                let new = events.told().into_iter();
                told.extend(new.map(|(kind, detail)| (day, kind, detail)));
            }
            clock.advance(Duration::from_secs(DAY));
        }
        let days: Vec<u64> = told.iter().map(|(day, ..)| *day).collect();
        assert_eq!(days, [10, 26, 33, 39, 40], "{told:?}");
        assert!(
            told.iter()
                .all(|(_, kind, _)| *kind == Kind::CredentialEnds)
        );
        assert!(
            told[0]
                .2
                .contains("credential 2 (certificate) ends on 2027-02-24, within 30 days"),
            "{told:?}"
        );
        // A new one in its place begins anew.
        std::fs::write(&file, certificate(start + 60 * DAY)).unwrap();
        events.watch(&app);
        assert_eq!(events.told().len(), 1);
    }

    #[test]
    fn an_exception_is_told_before_its_last_day_is_over() {
        let start = 1_800_000_000 / DAY * DAY;
        let clock = Clock::starting_at(start * 1_000_000);
        let (events, app) = (Events::kept(clock.clone()), super::super::app(Vec::new()));
        let until = chrono::DateTime::from_timestamp(start as i64, 0).unwrap();
        let until = until.date_naive() + Days::new(31);
        let mut days = Vec::new();
        for day in 0..33 {
            events.tolerated(&app, "Directory.Read.All", until);
            days.extend(events.told().iter().map(|_| day));
            clock.advance(Duration::from_secs(DAY));
        }
        assert_eq!(days, [2, 18, 25, 31, 32]);
    }

    #[test]
    fn an_end_has_passed_the_nearest_threshold() {
        let at = |days: u64, seconds: u64| threshold(100 * DAY, (100 - days) * DAY - seconds);
        assert_eq!(at(31, 0), None);
        assert_eq!(at(30, 1), None);
        for (days, passed) in [
            (30, 30),
            (20, 30),
            (14, 14),
            (8, 14),
            (7, 7),
            (1, 1),
            (0, 0),
        ] {
            assert_eq!(at(days, 0), Some(passed), "{days}");
        }
        assert_eq!(at(0, 1), Some(1));
        assert_eq!(threshold(5, 9), Some(0));
    }
}
