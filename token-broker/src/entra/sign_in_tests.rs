//! When the device code is asked about, before an Entra ID that answers as told.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use runtime::Clock;
use runtime::http::Client;
use tokio::time::Instant;

use super::*;
use crate::config::TenantConfig;
use crate::event::Events;
use crate::files::Files;
use crate::registry::Tenant;

/// Seconds at which Entra ID was asked, the first time for the code, and how the sign-in ended.
async fn asked(answers: &'static [(u16, &'static str)]) -> (Vec<u64>, Result<String, Error>) {
    let (times, began) = (Arc::new(Mutex::new(Vec::new())), Instant::now());
    let noted = Arc::clone(&times);
    let http = Client::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let mut times = noted.lock().unwrap();
        let answer = match request.uri().path().ends_with("/devicecode") {
            true => Some(&(200, CODES)),
            false => answers.get(times.len() - 1).or(answers.last()),
        };
        times.push(began.elapsed().as_secs());
        let answer = answer.map(|(status, body)| {
            let answer = http::Response::builder().status(*status);
            answer.body(Bytes::from_static(body.as_bytes())).unwrap()
        });
        async move { answer.ok_or_else(|| "the network lost it".into()) }
    }));
    let clock = Clock::starting_at(1_800_000_000_000_000);
    let entra = Entra::new(http.clone(), http, clock.clone(), Events::logged(clock));
    let id = "11111111-2222-3333-4444-555555555555".parse().unwrap();
    let config = TenantConfig::with_secret(id, "c", std::path::PathBuf::from("s"));
    let tenant = Tenant::new(config, Files::default(), true);
    let app = &tenant.apps[0];
    let begun = entra.begin_sign_in(app).await.unwrap();
    assert_eq!(begun.page.as_str(), "https://microsoft.com/devicelogin");
    let ended = entra.finish_sign_in(app, None, &begun).await;
    let times = times.lock().unwrap().clone();
    (times, ended.map(|token| token.expose_secret().to_owned()))
}

const CODES: &str = r#"{"user_code":"GTHKM-PGP","device_code":"D","verification_uri":"https://microsoft.com/devicelogin","expires_in":"60","interval":5}"#;
const PENDING: (u16, &str) = (400, r#"{"error":"authorization_pending"}"#);
const SLOW: (u16, &str) = (400, r#"{"error":"slow_down"}"#);
const DOWN: (u16, &str) = (503, "");
const DONE: (u16, &str) = (
    200,
    r#"{"access_token":"A","token_type":"Bearer","expires_in":3600,"refresh_token":"R"}"#,
);

#[tokio::test(start_paused = true)]
async fn it_waits_as_long_as_it_is_told_and_longer_when_nobody_answers() {
    let (times, ended) = asked(&[PENDING, SLOW, PENDING, DOWN, DONE]).await;
    assert_eq!(times, [0, 5, 10, 20, 30, 50]);
    assert_eq!(ended.unwrap(), "R");
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_code_and_with_whatever_else_is_said() {
    let (times, ended) = asked(&[PENDING]).await;
    assert_eq!(times.len(), 12, "{times:?}");
    let told = ended.unwrap_err().problem();
    assert_eq!(told.code, "LW-2066");
    assert!(told.what.contains("nobody entered"), "{told}");
    for (answer, code, what) in [
        (
            &[(400, r#"{"error":"access_denied"}"#)],
            "LW-2066",
            "declined",
        ),
        (
            &[(400, r#"{"error":"authorization_declined"}"#)],
            "LW-2066",
            "declined",
        ),
        (
            &[(400, r#"{"error":"expired_token"}"#)],
            "LW-2066",
            "nobody entered",
        ),
        (
            &[(400, r#"{"error":"bad_verification_code"}"#)],
            "LW-2066",
            "used",
        ),
        (
            &[(400, r#"{"error":"invalid_grant","error_codes":[53003]}"#)],
            "LW-2066",
            "block device codes",
        ),
        (
            &[(401, r#"{"error":"invalid_client","error_codes":[7000218]}"#)],
            "LW-2027",
            "no client secret was shown",
        ),
        (
            &[(
                200,
                r#"{"access_token":"A","token_type":"Bearer","expires_in":1}"#,
            )],
            "LW-2066",
            "no refresh token",
        ),
    ] {
        let (times, ended) = asked(answer).await;
        let told = ended.unwrap_err().problem();
        assert_eq!((times.len(), &*told.code), (2, code), "{told}");
        assert!(told.what.contains(what), "{told}");
    }
}
