//! A year of daily readings: what has to be done by hand for it, each way for an app registration to prove itself.
#![allow(
    clippy::print_stdout,
    reason = "the whole file is a test, and shows what it counted"
)]

use std::collections::BTreeMap;

use tests::year::{self, Args, Certificate, Federated, Imported, Renewed, Row, Way};

const DAYS: u64 = 365;
const NO_WAY_TO_ENTRA: &str = "LW-2010";
const ENDED: &str = "LW-2016";

fn year(way: impl Way + 'static) -> Row {
    let args = Args {
        days: DAYS,
        users: 40,
    };
    let row = year::live(Box::new(way), &args);
    println!("{row}");
    row
}

fn failed(row: &Row) -> BTreeMap<&str, u32> {
    let failed = row.failed.iter();
    failed.map(|(code, n)| (code.as_str(), *n)).collect()
}

#[test]
fn a_federated_credential_takes_nobody() {
    let row = year(Federated::default());
    assert_eq!((row.acts.count(), row.missed), (0, 0));
    // On the two days on which Entra ID was down when it was read first.
    assert_eq!(failed(&row), BTreeMap::from([(NO_WAY_TO_ENTRA, 2)]));
}

#[test]
fn a_certificate_takes_one_upload_and_two_commands_each_time_it_is_renewed() {
    let row = year(Certificate::renewed(true));
    assert_eq!(row.missed, 0);
    // Certificates of 180 days are renewed twice: uploaded, added, and the one before dropped.
    let acts: Vec<u32> = row.acts.needed.values().copied().collect();
    assert_eq!(acts, [2, 2, 2]);
    assert_eq!(row.acts.store_keys, 2);
    assert_eq!(failed(&row), BTreeMap::from([(NO_WAY_TO_ENTRA, 2)]));
}

#[test]
fn a_certificate_that_nobody_renews_is_not_forgiven() {
    let row = year(Certificate::renewed(false));
    assert_eq!(row.missed, DAYS - 180);
    assert!(failed(&row).contains_key(ENDED), "{row}");
}

#[test]
fn a_token_of_eight_hours_takes_somebody_every_eight_hours() {
    let row = year(Imported::new(Renewed::EveryEightHours));
    assert_eq!((u64::from(row.acts.count()), row.missed), (3 * DAYS, 0));
}

#[test]
fn a_token_that_is_renewed_just_before_it_is_needed_takes_somebody_every_day() {
    let row = year(Imported::new(Renewed::OnceADay));
    // After each outage somebody is called again.
    assert_eq!((u64::from(row.acts.count()), row.missed), (DAYS + 2, 0));
}

#[test]
fn a_token_that_nobody_renews_is_good_for_one_day() {
    let row = year(Imported::new(Renewed::Never));
    assert_eq!((row.acts.count(), row.missed), (0, DAYS - 1));
}
