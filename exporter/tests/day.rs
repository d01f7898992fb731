//! A sink that is down for a day, by the clock of the exporter, while thirty other pairs of sink and tenant go on.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use sink_sim::{Fault, Rule, Webhook};
use support::{Rig, receiver, sqlite};
use tokio::time::{Instant, resume, sleep_until};

const TENANTS: usize = 10;
const HOUR: Duration = Duration::from_secs(3_600);

fn tenant(n: usize) -> String {
    format!("aaaaaaaa-0000-0000-0000-{n:012}")
}

#[tokio::test(start_paused = true)]
async fn a_day_without_a_sink_makes_nobody_else_late_and_is_caught_up_with_the_newest_states() {
    let down = receiver(Webhook::default());
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "0123456789abcdef").unwrap();
    let url = format!("{}/events", down.url()).parse().unwrap();
    let mut hook = exporter::sink::webhook::Webhook::new(url, secret.path().to_owned());
    hook.answer_seconds = 5;
    down.inject(Rule::always(Fault::Cut));
    let mut rig = Rig::paused_with(|dir| {
        let rows = |n| sqlite(dir.join(format!("{n}.db"))).named(n);
        let hook = exporter::SinkConfig::new(hook).named("down");
        vec![hook, rows("one"), rows("two"), rows("three")]
    })
    .await;
    let begin = Instant::now();
    let mut changes = 0;
    for hour in 0..24 {
        sleep_until(begin + HOUR * hour).await;
        rig.ledger.at(rig.clock.micros());
        for n in 0..TENANTS {
            for user in ["u1", "u2"] {
                rig.ledger
                    .user(&tenant(n), user, &format!("{user} at {hour}"), &[]);
                changes += 1;
            }
        }
        let (asked, statuses) = (Instant::now(), rig.wait().await);
        let on_time: Vec<_> = statuses.iter().filter(|s| s.delivered).collect();
        assert_eq!(on_time.len(), 3 * TENANTS, "{statuses:?}");
        // Waiting for a sink that is down ends with the time-out of its push, here a jump of the clock.
        assert!(
            asked.elapsed() < Duration::from_secs(60),
            "{:?}",
            asked.elapsed()
        );
        let listed = rig.sinks().await;
        // Each user once, however often it changed.
        assert_eq!(listed[0].lag_records, 2 * TENANTS as u64, "{hour}");
        let lags: Vec<_> = listed
            .iter()
            .map(|s| (s.lag_seconds, s.delivered))
            .collect();
        let (behind, others) = lags.split_first().unwrap();
        assert!(
            behind.0 + 1 >= u64::from(hour) * 3_600 && behind.1 == 0,
            "{hour}: {lags:?}"
        );
        assert!(others.iter().all(|on| *on == (0, 10)), "{hour}: {lags:?}");
    }
    sleep_until(begin + HOUR * 24).await;
    // From here on answers are waited for.
    resume();
    down.heal();
    rig.sync().await;
    let events = down.read(|w| w.events().to_vec());
    assert_eq!(
        (changes, events.len()),
        (480, 2 * TENANTS),
        "the newest states only"
    );
    let mut names = BTreeMap::<String, usize>::new();
    for event in &events {
        let name = event["data"]["displayName"].as_str().unwrap();
        *names.entry(name.to_owned()).or_default() += 1;
    }
    let all = [
        ("u1 at 23".to_owned(), TENANTS),
        ("u2 at 23".to_owned(), TENANTS),
    ];
    assert_eq!(names, BTreeMap::from(all));
    let listed = rig.sinks().await;
    assert!(
        listed
            .iter()
            .all(|s| s.lag_seconds == 0 && s.delivered == 10),
        "{listed:?}"
    );
    rig.stop().await;
}
