//! What a sink has sent, sent once more to a server that goes by the vendor's own document.

use serde_json::Value;
use servers::Prism;
use sink_sim::{Received, Request};

/// Sends the requests of a played vendor to the document's server, those left out that the document doesn't know, and
/// insists that it allows each. Returns their methods.
pub async fn allowed(
    prism: &Prism,
    received: Vec<Received>,
    unknown: impl Fn(&Request) -> bool,
) -> Vec<String> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut methods = Vec::new();
    for request in received.into_iter().map(|r| r.request) {
        if unknown(&request) {
            continue;
        }
        let mut url = url::Url::parse(&format!("{}{}", prism.url(), request.path)).unwrap();
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let method = request.method.clone();
        let again = http.request(request.method, url).body(request.body);
        let kept = ["authorization", "content-type", "accept"];
        let headers = request.headers.into_iter();
        let headers = headers.filter_map(|(name, value)| Some((name?, value)));
        let headers = headers.filter(|(name, _)| kept.contains(&name.as_str()));
        let answer = again.headers(headers.collect()).send().await.unwrap();
        let status = answer.status();
        let told: Value =
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
        // Some of the document's own examples of answers break it.
        let answers = told["validation"]
            .as_array()
            .is_some_and(|all| all.iter().all(|broken| broken["location"][0] == "response"));
        assert!(
            status.is_success() || answers,
            "{method} {}: {status}: {told}",
            request.path
        );
        methods.push(method.to_string());
    }
    methods
}
