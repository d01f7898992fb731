//! Channels to services in other processes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::transport::Endpoint;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::Channel;
use crate::error::{Chain, Exit, Problem};
use crate::tls::{self, Identity, Reloading};
use crate::trace;

/// One address that doesn't answer must not use up the time of the next.
const TRY: Duration = Duration::from_secs(5);
/// To reach any of them.
const CONNECT: Duration = Duration::from_secs(20);
/// A peer that is gone without a word is noticed after the sum of both.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(5);

/// A service in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// Where it is: `https://host:port`, one or several. All addresses of each name are tried. `http://` is for this
    /// machine's loopback only.
    #[serde(deserialize_with = "crate::config::one_or_many")]
    pub endpoint: Vec<String>,
    /// Who it must be. Without it the host name must be in the server's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

impl Remote {
    /// Checks what types can't say.
    ///
    /// # Errors
    /// `LW-1011` for plain text to another machine, `LW-1012` for what is no endpoint.
    pub fn check(&self, tls: Option<&tls::Config>) -> Result<(), Problem> {
        let places = self.places()?;
        let secure = |p: &Place| p.secure;
        if places.iter().any(secure) && !places.iter().all(secure) {
            return Err(malformed(
                &self.endpoint.join(", "),
                "mixes http:// and https://",
            ));
        }
        match (places.iter().any(secure), tls) {
            (true, None) => Err(malformed(
                &self.endpoint.join(", "),
                "needs a section [tls]",
            )),
            _ => Ok(()),
        }
    }

    fn places(&self) -> Result<Vec<Place>, Problem> {
        if self.endpoint.is_empty() {
            return Err(malformed("", "names no place"));
        }
        self.endpoint.iter().map(|e| Place::parse(e)).collect()
    }
}

#[derive(Clone, Debug)]
struct Place {
    secure: bool,
    host: String,
    port: u16,
}

impl Place {
    fn parse(endpoint: &str) -> Result<Place, Problem> {
        let uri: Uri = endpoint
            .parse()
            .map_err(|_| malformed(endpoint, "is no URL"))?;
        let (Some(scheme), Some(host), Some(port)) = (uri.scheme_str(), uri.host(), uri.port_u16())
        else {
            return Err(malformed(endpoint, "lacks scheme, host or port"));
        };
        if uri.path() != "/" || uri.query().is_some() || endpoint.contains('@') {
            return Err(malformed(endpoint, "holds more than scheme, host and port"));
        }
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        match scheme {
            "https" => {}
            "http" if loopback(&host) => {}
            "http" => {
                return Err(Problem::new(
                    "LW-1011",
                    format!("{endpoint} is not https."),
                    "use https:// and a section [tls]; plain http:// is accepted for this machine's loopback only",
                )
                .exit(Exit::Usage));
            }
            _ => return Err(malformed(endpoint, "is neither https:// nor http://")),
        }
        let secure = scheme == "https";
        Ok(Place { secure, host, port })
    }
}

fn loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn malformed(endpoint: &str, why: &str) -> Problem {
    Problem::new(
        "LW-1012",
        format!("the endpoint `{endpoint}` {why}."),
        "write https://host:port",
    )
    .exit(Exit::Usage)
}

/// A channel to a service in another process. Connects when it is first used, and again after a failure, then to the
/// next address. `name` is how errors call the service.
///
/// # Errors
/// When the endpoint or the certificates can't be used. Whether anybody answers shows later, as `LW-2023`.
pub fn connect(name: &str, remote: &Remote, tls: Option<&tls::Config>) -> Result<Channel, Problem> {
    let channel = transport(remote, tls)?;
    let place = format!("the {name} at {}", remote.endpoint.join(", "));
    let channel = channel
        .map_request(trace::inject)
        .map_err(move |e: tonic::transport::Error| {
            let problem = Problem::new(
                "LW-2023",
                format!("{place} can't be reached: {}.", Chain(&e)),
                "see that it runs and that both sides' certificates are valid; it is tried again",
            );
            Status::unavailable(problem.to_string())
        });
    Ok(BoxCloneSyncService::new(channel))
}

/// As [`connect`], without the trace of who calls.
///
/// # Errors
/// As [`connect`].
pub(crate) fn transport(
    remote: &Remote,
    tls: Option<&tls::Config>,
) -> Result<tonic::transport::Channel, Problem> {
    remote.check(tls)?;
    let places = Arc::new(remote.places()?);
    let tls = match tls {
        Some(files) if places.iter().any(|p| p.secure) => Some(Arc::new(tls::client(
            files.clone(),
            remote.identity.clone(),
        )?)),
        _ => None,
    };
    let turn = Arc::new(AtomicUsize::new(0));
    let connector = tower::service_fn(move |_: Uri| {
        let (places, tls, turn) = (Arc::clone(&places), tls.clone(), Arc::clone(&turn));
        async move {
            let stream = reach(&places, tls.as_deref(), &turn).await?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    });
    let endpoint = Endpoint::from_shared(remote.endpoint[0].clone())
        .map_err(|_| malformed(&remote.endpoint[0], "is no URL"))?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_with_connector_lazy(connector))
}

trait Io: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Io for T {}
type Stream = Pin<Box<dyn Io>>;

/// Tries all addresses, each time beginning with another.
async fn reach(
    places: &[Place],
    tls: Option<&Reloading<ClientConfig>>,
    turn: &AtomicUsize,
) -> std::io::Result<Stream> {
    let mut addresses = Vec::new();
    let mut failure = std::io::Error::other("its name has no address");
    for place in places {
        match tokio::net::lookup_host((place.host.as_str(), place.port)).await {
            Ok(found) => addresses.extend(found.map(|a| (place, a))),
            Err(e) => failure = e,
        }
    }
    let first = turn.fetch_add(1, Ordering::Relaxed) % addresses.len().max(1);
    addresses.rotate_left(first);
    for (place, address) in addresses {
        let tried = tokio::time::timeout(TRY, open(place, address, tls)).await;
        match tried.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return Ok(stream),
            Err(e) => failure = e,
        }
    }
    Err(failure)
}

async fn open(
    place: &Place,
    address: std::net::SocketAddr,
    tls: Option<&Reloading<ClientConfig>>,
) -> std::io::Result<Stream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls.filter(|_| place.secure) else {
        return Ok(Box::pin(stream));
    };
    let name = ServerName::try_from(place.host.clone()).map_err(std::io::Error::other)?;
    let connector = TlsConnector::from(tls.current());
    Ok(Box::pin(connector.connect(name, stream).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(endpoint: &str) -> Remote {
        Remote {
            endpoint: vec![endpoint.to_owned()],
            identity: None,
        }
    }

    #[test]
    fn plain_text_is_for_loopback_only() {
        for good in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
            remote(good).check(None).unwrap();
        }
        let e = remote("http://broker:7443").check(None).unwrap_err();
        assert_eq!((&*e.code, e.exit), ("LW-1011", Exit::Usage));
        let e = remote("https://broker:7443").check(None).unwrap_err();
        assert!(e.to_string().contains("[tls]"), "{e}");
        for bad in [
            "",
            "broker",
            "broker:7443",
            "https://broker",
            "ftp://b:1",
            "https://b:1/x",
            "https://u:p@b:1",
        ] {
            assert_eq!(
                remote(bad).check(None).unwrap_err().code,
                "LW-1012",
                "{bad}"
            );
        }
    }
}
