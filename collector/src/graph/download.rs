//! Files that Graph hands out behind a redirect: the address is the permission, so it gets no token and is in no log.

use bytes::Bytes;
use futures::TryStreamExt as _;
use http::header::LOCATION;
use http::{HeaderMap, Request, Response};
use runtime::http::Chunks;
use tower::ServiceExt as _;
use url::Url;

use super::{Graph, Tries, request_id};
use crate::graph_error::{GraphError, classify};
use crate::page;

/// Where usage reports lie: the documented host is one of several regional ones.
const REPORTS: &str = ".office.com";

/// Of an error's body more is not read.
const LONGEST_ERROR: usize = 64 << 10;

/// A file as it comes.
pub struct Download {
    /// Its pieces.
    pub chunks: Chunks,
    /// Graph's `request-id`, for a support case.
    pub request_id: String,
}

impl Graph {
    /// GET of a file, by a redirect or at once.
    pub async fn download(&self, path: &str, tries: &mut Tries) -> Result<Download, GraphError> {
        loop {
            let call = self.read(path, false);
            let (answer, _) = self.ask(&self.streaming, tries, &call).await?;
            let (status, request_id) = (answer.status().as_u16(), request_id(answer.headers()));
            let answer = match status {
                300..=399 => match self.follow(path, address(path, answer.headers())?).await? {
                    Ok(answer) => answer,
                    Err(e) => {
                        self.failed(tries, path, e).await?;
                        continue;
                    }
                },
                _ => answer,
            };
            let status = answer.status().as_u16();
            return match status {
                200..=299 => Ok(Download {
                    chunks: answer.into_body(),
                    request_id,
                }),
                _ => {
                    let body = start(answer.into_body()).await;
                    Err(classify(path, status, &body, &request_id))
                }
            };
        }
    }

    /// The inner error is one of the network, or a link that has expired meanwhile: Graph gives another one.
    async fn follow(
        &self,
        path: &str,
        url: Url,
    ) -> Result<Result<Response<Chunks>, runtime::http::BoxError>, GraphError> {
        if !self.holds_files(&url) {
            return Err(page::answer(
                path,
                "a redirect to a host that has no reports of Microsoft's",
            ));
        }
        let request = Request::get(url.as_str()).body(Bytes::new());
        let request = request.map_err(|e| self.cut(e.into()))?;
        let answer = self.streaming.clone().oneshot(request).await;
        Ok(answer.and_then(|answer| match answer.status().as_u16() {
            200..=299 => Ok(answer),
            status => Err(format!("the file behind the redirect was refused with {status}").into()),
        }))
    }

    fn holds_files(&self, url: &Url) -> bool {
        let own = Url::parse(&self.base).is_ok_and(|base| base.origin() == url.origin());
        let host = url.host_str().unwrap_or_default();
        own || url.scheme() == "https" && host.ends_with(REPORTS)
    }
}

fn address(path: &str, headers: &HeaderMap) -> Result<Url, GraphError> {
    let location = headers.get(LOCATION).and_then(|l| l.to_str().ok());
    let url = location.and_then(|l| Url::parse(l).ok());
    url.ok_or_else(|| page::answer(path, "a redirect to nowhere"))
}

async fn start(mut chunks: Chunks) -> Vec<u8> {
    let mut start = Vec::new();
    while let Ok(Some(chunk)) = chunks.try_next().await {
        start.extend_from_slice(&chunk);
        if start.len() > LONGEST_ERROR {
            break;
        }
    }
    start
}
