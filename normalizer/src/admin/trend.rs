//! Licence positions day by day.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate};
use proto::admin::v1::{TrendPoint, TrendRequest, TrendResponse};
use proto::inventory::v1::LicensePosition;
use proto::kind::RecordKind;
use runtime::db::{Connection, query};

use super::READ;
use crate::error::Error;
use crate::feed::unsigned;
use crate::{Normalizer, store};

/// The most days that somebody gets: a year and a month.
const MOST_DAYS: u32 = 400;
const DAYS: u32 = 30;

impl Normalizer {
    pub(super) async fn trend_of(&self, request: &TrendRequest) -> Result<TrendResponse, Error> {
        let days = match request.days {
            0 => DAYS,
            n => n.min(MOST_DAYS),
        };
        let today = day(self.now().0);
        let first = today
            .checked_sub_days(Days::new(u64::from(days) - 1))
            .unwrap_or(today);
        let mut trend = Trend {
            first,
            today,
            bodies: BTreeMap::new(),
        };
        let mut moment = self.0.db.snapshot().await.map_err(Error::db(READ))?;
        let sql = "SELECT id, history_from FROM tenant WHERE tenant = ?";
        let q = query(sql).bind(&request.tenant_id);
        let found = q.fetch_optional(&mut moment).await;
        let found: Option<(i64, i64)> = found.map_err(Error::db(READ))?;
        let (tenant, history_from) = found.unwrap_or_default();
        trend.read(&mut moment, tenant, &request.sku_id).await?;
        let begins = micros(first);
        Ok(TrendResponse {
            points: trend.points()?,
            known_from: Some(unsigned(history_from))
                .filter(|from| *from > begins)
                .unwrap_or(0),
        })
    }
}

struct Trend {
    first: NaiveDate,
    today: NaiveDate,
    /// What was the position at the end of the day, by product and day.
    bodies: BTreeMap<(String, NaiveDate), Vec<u8>>,
}

impl Trend {
    async fn read(&mut self, c: &mut Connection, tenant: i64, sku: &str) -> Result<(), Error> {
        let sql = "SELECT key, closing, replaced, body FROM record_history
            WHERE tenant = ? AND kind = ? AND replaced >= ? AND removed = 0 AND (? = '' OR key = ?)";
        let q = query(sql)
            .bind(tenant)
            .bind(RecordKind::LicensePosition as i32)
            .bind(micros(self.first));
        let q = q.bind(sku).bind(sku);
        q.each(c, |(key, from, to, body)| {
            self.stood(key, unsigned(from), unsigned(to), body)
        })
        .await
        .map_err(Error::db(READ))?;
        let sql = "SELECT key, closing, body FROM record
            WHERE tenant = ? AND kind = ? AND removed = 0 AND (? = '' OR key = ?)";
        let q = query(sql)
            .bind(tenant)
            .bind(RecordKind::LicensePosition as i32);
        let q = q.bind(sku).bind(sku);
        q.each(c, |(key, from, body): (String, i64, Vec<u8>)| {
            self.stood(key, unsigned(from), u64::MAX, body)
        })
        .await
        .map_err(Error::db(READ))
    }

    /// A position stood from one closing to another: it is that of the days that end meanwhile.
    fn stood(&mut self, key: String, from: u64, to: u64, body: Vec<u8>) {
        let mut day = day(from).max(self.first);
        while day <= self.today {
            let end = day.succ_opt().map_or(u64::MAX, micros);
            // A day ends before the next one begins.
            if to < end {
                break;
            }
            self.bodies.insert((key.clone(), day), body.clone());
            let Some(next) = day.succ_opt() else { break };
            day = next;
        }
    }

    fn points(self) -> Result<Vec<TrendPoint>, Error> {
        let point = |((_, day), body): ((String, NaiveDate), Vec<u8>)| {
            let position: LicensePosition = store::read(&body)?;
            Ok(TrendPoint {
                day: day.to_string(),
                position: Some(position),
            })
        };
        self.bodies.into_iter().map(point).collect()
    }
}

/// The day (UTC) of a moment in microseconds since 1970.
fn day(micros: u64) -> NaiveDate {
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or(0);
    DateTime::from_timestamp(seconds, 0)
        .unwrap_or_default()
        .date_naive()
}

/// When a day begins.
fn micros(day: NaiveDate) -> u64 {
    let begin = day.and_time(chrono::NaiveTime::MIN).and_utc();
    u64::try_from(begin.timestamp_micros()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_shows_what_stood_at_its_end() {
        let at = |text: &str| {
            let at = DateTime::parse_from_rfc3339(text).unwrap();
            u64::try_from(at.timestamp_micros()).unwrap()
        };
        let mut trend = Trend {
            first: day(at("2026-11-20T00:00:00Z")),
            today: day(at("2026-11-24T00:00:00Z")),
            bodies: BTreeMap::new(),
        };
        let mut stood =
            |from: &str, to: u64, n: u8| trend.stood("e5".into(), at(from), to, vec![n]);
        let (a, b) = (at("2026-11-21T00:00:00Z"), at("2026-11-22T10:00:00Z"));
        stood("2026-11-01T00:00:00Z", a, 1);
        stood("2026-11-21T00:00:00Z", b, 2);
        stood("2026-11-22T10:00:00Z", at("2026-11-22T23:59:59Z"), 3);
        stood("2026-11-22T23:59:59Z", u64::MAX, 4);
        let days: Vec<_> = trend
            .bodies
            .iter()
            .map(|((_, day), body)| (day.to_string(), body[0]))
            .collect();
        let expected = [(20, 1), (21, 2), (22, 4), (23, 4), (24, 4)];
        assert_eq!(days, expected.map(|(day, n)| (format!("2026-11-{day}"), n)));
    }
}
