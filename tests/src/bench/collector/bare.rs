//! The least that a collector has to do with a page, in a loop: fetch, unzip, scan, hash, compress, seal.

use anyhow::{Context as _, Result};
use bus::Keys;
use bytes::Bytes;
use proto::message::Body;
use proto::pages::v1::{PageFetched, RunMode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use super::reader::Args;
use crate::bench::usage;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// Reads once, with the collector's HTTP client.
pub fn run(args: &Args) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (http, keys) = (
            runtime::http::Outbound::open(&runtime::http::Config::default())?.whole(),
            Keys::generate(),
        );
        let tenant = args.tenants().remove(0);
        let token = crate::desk::token(&http, &tenant).await?;
        let users = catalog::find("users").context("a dataset")?;
        let mut next = Some(format!(
            "{}/v1.0/users?$select={}&$top=999",
            tenant.graph,
            users.select.join(",")
        ));
        let (mut objects, mut requests) = (0, 0);
        while let Some(link) = next.take() {
            let request = http::Request::get(link)
                .header("authorization", format!("Bearer {token}"))
                .header("accept", "application/json")
                .body(Bytes::new())?;
            let answer = http.clone().oneshot(request).await;
            let body = answer.map_err(anyhow::Error::from_boxed)?.into_body();
            let page: Page<'_> = serde_json::from_str(std::str::from_utf8(&body)?)?;
            std::hint::black_box(Sha256::digest(&body));
            let message = Body::Page(PageFetched {
                tenant_id: tenant.id.clone(),
                dataset: users.name.to_owned(),
                run: 1,
                attempt: 1,
                sequence: requests,
                mode: RunMode::Full.into(),
                body: zstd::bulk::compress(&body, 1)?,
                objects: u32::try_from(page.value.len())?,
                fetched_at: 1,
                ..PageFetched::default()
            });
            std::hint::black_box(keys.seal(&message)?);
            objects += page.value.len();
            requests += 1;
            next = page.next;
        }
        let cpu = usage::of_process(std::process::id());
        Ok(json!({ "cpu_seconds": cpu, "objects": objects, "requests": requests }))
    })
}
