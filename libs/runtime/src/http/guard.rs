//! The way to services of other people, whose addresses come from a configuration: not to every address.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower::ServiceExt as _;

use super::{BoxError, Client, Config, Limits, Streaming, build, whole};
use crate::error::Problem;

/// An address that must not be called.
#[derive(Debug, thiserror::Error)]
#[error("the address {0} must not be called")]
pub struct Forbidden(pub IpAddr);

/// On the network as [`Outbound`](super::Outbound), to the addresses that are allowed. Behind a proxy that is the
/// proxy's: it looks names up itself.
///
/// # Errors
/// `LW-1004` when TLS can't be set up.
pub fn guarded(config: &Config, allowed: fn(IpAddr) -> bool) -> Result<Client, Problem> {
    let builder = config
        .builder()?
        // Nobody's vendor name: that is for Microsoft.
        .user_agent(concat!("Leastwise/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Guard(allowed));
    let client = build(builder)?;
    let streaming = Streaming::new(tower::service_fn(move |request: http::Request<_>| {
        let client = client.clone();
        async move {
            // An address in place of a name isn't looked up.
            if let Some(address) = literal(request.uri()).filter(|a| !allowed(*a)) {
                return Err(Forbidden(address).into());
            }
            client.oneshot(request).await
        }
    }));
    Ok(whole(streaming, Limits::of(config)))
}

fn literal(uri: &http::Uri) -> Option<IpAddr> {
    let host = uri.host()?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    host.parse().ok()
}

/// Looks names up as the system does.
struct Guard(fn(IpAddr) -> bool);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.collect();
            // A name that has one such address is not one to trust the others of.
            match addresses.iter().find(|a| !allowed(a.ip())) {
                Some(address) => Err(BoxError::from(Forbidden(address.ip()))),
                None => Ok(Box::new(addresses.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_place_of_a_name_is_seen() {
        let of = |uri: &str| literal(&uri.parse().unwrap());
        assert_eq!(of("http://127.0.0.1:80/x"), "127.0.0.1".parse().ok());
        assert_eq!(of("https://[fe80::1]:443/x"), "fe80::1".parse().ok());
        assert_eq!(of("https://example.org/"), None);
    }

    #[tokio::test]
    async fn no_request_goes_where_none_may() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = Config {
            no_proxy: Vec::new(),
            ..Config::default()
        };
        let client = guarded(&config, |a| !a.is_loopback()).unwrap();
        for host in ["127.0.0.1", "localhost"] {
            let uri = format!("http://{host}:{port}/");
            let request = http::Request::get(uri).body(bytes::Bytes::new()).unwrap();
            let e = client.clone().oneshot(request).await.unwrap_err();
            let told = crate::error::Chain(&*e).to_string();
            assert!(told.contains("must not be called"), "{told}");
        }
        drop(listener);
    }
}
