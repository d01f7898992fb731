use std::fs;

use super::*;

const TENANT: &str = "aaaaaaaa-0000-0000-0000-000000000001";

fn change(closing: u64, payload: Option<&str>) -> Change {
    Change {
        kind: RecordKind::User,
        key: "u1".into(),
        closing: Closing(closing),
        payload: payload.map(|p| p.as_bytes().to_vec()),
        remote: None,
    }
}

fn receiver(dir: &Path, change: impl FnOnce(&mut Webhook)) -> Receiver {
    let secret = dir.join("secret");
    fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    let mut settings = Webhook::new("http://127.0.0.1:9/x?token=canary".parse().unwrap(), secret);
    change(&mut settings);
    let clock = Clock::starting_at(1_614_265_330_000_000);
    Receiver {
        http: Http::new("hook", &settings.http, clock.clone()).unwrap(),
        settings,
        tokens: None,
        clock,
    }
}

#[test]
fn signatures_are_those_of_standard_webhooks() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    fs::write(&file, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let key = key(&file.into()).unwrap();
    // Computed by Python's hmac from the specification's text.
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let signed = signature(&key, id, 1_614_265_330, br#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn an_event_says_the_same_each_time_and_nothing_of_what_was_removed() {
    let tenant = TENANT.parse().unwrap();
    let json = |change: &Change| serde_json::to_value(Event::of(tenant, change).unwrap()).unwrap();
    let (first, again) = (change(7, Some(r#"{"a":1}"#)), change(7, Some(r#"{"a":1}"#)));
    assert_eq!(json(&first), json(&again));
    let event = json(&first);
    assert_eq!(event["type"], "leastwise.user.upserted.v1");
    assert_eq!(event["source"], format!("/tenants/{TENANT}"));
    assert_eq!(
        (&event["subject"], &event["data"]["a"]),
        (&"u1".into(), &1.into())
    );
    assert_eq!(event["sequence"], "00000000000000000007");
    let removed = json(&change(8, None));
    assert_eq!(removed["type"], "leastwise.user.removed.v1");
    assert!(removed.get("data").is_none() && removed.get("datacontenttype").is_none());
    assert_ne!(removed["id"], event["id"]);
}

#[test]
fn both_secrets_sign_while_one_takes_the_place_of_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("old");
    fs::write(&old, "0123456789abcdef").unwrap();
    let receiver = receiver(dir.path(), |w| {
        w.old_secret_file = Some(old.clone().into());
        w.batch = true;
    });
    let tenant = TENANT.parse().unwrap();
    let changes = [change(7, Some("{}")), change(8, None)];
    let events: Vec<_> = changes
        .iter()
        .map(|c| Event::of(tenant, c).unwrap())
        .collect();
    let request = receiver.request(&events).unwrap();
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        header("content-type"),
        "application/cloudevents-batch+json; charset=utf-8"
    );
    assert_eq!(header("webhook-timestamp"), "1614265330");
    let signatures = header("webhook-signature");
    let (new, older) = signatures.split_once(' ').unwrap();
    let signed = |file: &Path| {
        let key = key(&file.to_owned().into()).unwrap();
        signature(&key, &header("webhook-id"), 1_614_265_330, request.body())
    };
    assert_eq!(new, signed(&dir.path().join("secret")));
    assert_eq!(older, signed(&old));
    // Read for each push: whoever takes the file away stops the pushes, and no secret is told.
    fs::remove_file(&old).unwrap();
    let refused = receiver.request(&events).unwrap_err();
    assert!(
        matches!(&refused, Refusal::Unauthorized { why } if why.contains("old")),
        "{refused}"
    );
}

#[test]
fn what_is_wrong_is_said_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let told = |change: fn(&mut Webhook)| {
        let settings = receiver(dir.path(), change).settings;
        let told = settings.check("hook").err().map(runtime::Problem::from);
        told.map(|p| format!("{p} {p:?}")).unwrap_or_default()
    };
    assert_eq!(told(|_| {}), "");
    for (change, why) in [
        (
            (|w| w.url = "http://example.org/".parse().unwrap()) as fn(&mut Webhook),
            "url is not https",
        ),
        (
            |w| w.url = "https://me:canary@example.org/".parse().unwrap(),
            "holds a name or a password",
        ),
        (|w| w.most_events = 0, "most_events"),
        (|w| w.pushes_a_minute = Some(0), "pushes_a_minute"),
        (
            |w| w.secret_file = Path::new("/nowhere").to_owned().into(),
            "/nowhere",
        ),
        (|w| w.http.proxy = Some("socks5://x".into()), "proxy"),
        (
            |w| w.shows.kinds = Some(vec!["users".into()]),
            "no kind `users`",
        ),
    ] {
        let told = told(change);
        assert!(
            told.contains(why) && !told.contains("canary"),
            "{why}: {told}"
        );
    }
    fs::write(dir.path().join("short"), "whsec_c2hvcnQ=").unwrap();
    let mut short = receiver(dir.path(), |_| {}).settings;
    short.secret_file = dir.path().join("short").into();
    assert!(
        short
            .check("hook")
            .unwrap_err()
            .to_string()
            .contains("too short")
    );
    assert_eq!(short.location(), "http://127.0.0.1:9/x");
}
