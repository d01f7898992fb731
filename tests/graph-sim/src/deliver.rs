//! An answer as bytes on the wire: compressed where the client takes it, and as trouble wants it.

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{Stream, StreamExt, stream};

use crate::reply::Reply;
use crate::trouble::Delivery;

/// What a gateway shows when it can't reach what is behind it.
const HTML: &str = "<!DOCTYPE html><html><head><title>Service unavailable</title></head><body><h2>Our services aren't available right now</h2><p>We're working to restore all services as soon as possible. Please check back soon.</p></body></html>";
/// Smaller answers are not worth it.
const WORTH: usize = 1_024;

/// Whether the client takes gzip.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let listed = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    listed.into_iter().any(|one| {
        let (name, quality) = one.split_once(';').unwrap_or((one, ""));
        let refused = matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// The response, compressed if `gzip`.
pub(crate) fn response(reply: Reply, gzip: bool) -> Response<Body> {
    let (mut body, mut content_type) = (reply.body, reply.content_type);
    let mut status = reply.status;
    if matches!(reply.delivery, Delivery::Html | Delivery::Gateway) {
        if reply.delivery == Delivery::Gateway {
            status = 404;
        }
        (body, content_type) = (HTML.as_bytes().to_vec(), "text/html; charset=utf-8");
    }
    let compressed = if gzip && body.len() >= WORTH {
        compress(&body).ok()
    } else {
        None
    };
    let encoded = compressed.is_some();
    let mut body = compressed.unwrap_or(body);
    let whole = body.len();
    if encoded && reply.delivery == Delivery::GzipCut {
        body.truncate(whole / 2);
    }
    let mut response = if reply.delivery == Delivery::Cut {
        body.truncate(whole / 2);
        let mut response = Response::new(Body::from_stream(broken_off(body)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole));
        response
    } else {
        Response::new(Body::from(body))
    };
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if encoded {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

/// The bytes, and then the end of the connection.
fn broken_off(body: Vec<u8>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let end = stream::once(async {
        // What was written so far is sent before the failure is seen.
        tokio::task::yield_now().await;
        Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "cut on request",
        ))
    });
    stream::iter([Ok(Bytes::from(body))]).chain(end)
}

fn compress(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 6), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (value, accepted) in [
            ("gzip", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("deflate", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), accepted, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
