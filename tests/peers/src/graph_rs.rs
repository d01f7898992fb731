//! Reads all users by graph-rs-sdk's own paging stream, as the README of graph-rs-sdk 3.0.1 shows it ("Paging",
//! "Streaming"), with both of its ways to try again switched on.
//!
//! `graph-rs BASE_URL TOKEN PAGE_SIZE [PROPERTIES]`, for example `http://127.0.0.1:8080/v1.0`; `PROPERTIES` stands for
//! `$select`, divided by commas. Prints one line of JSON: `count` users, `licensed` of them, `pages`, `seconds` and
//! `error`, which is null when the stream told of none. It fails when there was one.

use std::process::ExitCode;
use std::time::Instant;

use futures::StreamExt as _;
use graph_rs_sdk::{GraphClient, GraphClientConfiguration, GraphFailure, ODataQuery as _};
use serde_json::{Value, json};
use url::Url;

#[derive(Default)]
struct Seen {
    count: usize,
    licensed: usize,
    pages: usize,
}

async fn read(
    base: &Url,
    token: &str,
    page_size: &str,
    properties: &[&str],
    seen: &mut Seen,
) -> Result<(), GraphFailure> {
    let configuration = GraphClientConfiguration::new()
        .access_token(token)
        .retry(Some(10))
        .wait_for_retry_after_headers(true)
        .https_only(false);
    let mut client = GraphClient::from(configuration);
    client.use_test_endpoint(base);
    let mut stream = client
        .users()
        .list_user()
        .select(properties)
        .top(page_size)
        .paging()
        .stream::<Value>()?;
    while let Some(result) = stream.next().await {
        let body = result?.into_body();
        seen.pages += 1;
        let users = body.as_ref().ok().and_then(|b| b["value"].as_array());
        for user in users.into_iter().flatten() {
            seen.count += 1;
            let licences = user["assignedLicenses"].as_array();
            seen.licensed += usize::from(licences.is_some_and(|l| !l.is_empty()));
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (base, token, size, properties) = match arguments.as_slice() {
        [base, token, size] => (base, token, size, "id,userPrincipalName,assignedLicenses"),
        [base, token, size, properties] => (base, token, size, properties.as_str()),
        _ => {
            eprintln!("usage: graph-rs BASE_URL TOKEN PAGE_SIZE [PROPERTIES]");
            return ExitCode::from(64);
        }
    };
    let base = match Url::parse(base) {
        Ok(base) => base,
        Err(e) => {
            eprintln!("{base} is no URL: {e}");
            return ExitCode::from(64);
        }
    };
    let properties: Vec<&str> = properties.split(',').collect();
    let (start, mut seen) = (Instant::now(), Seen::default());
    let done = read(&base, token, size, &properties, &mut seen).await;
    let error = done.as_ref().err().map(ToString::to_string);
    let Seen {
        count,
        licensed,
        pages,
    } = seen;
    println!(
        "{}",
        json!({
            "count": count, "licensed": licensed, "pages": pages,
            "seconds": start.elapsed().as_secs_f64(), "error": error,
        })
    );
    if done.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
