//! One connection.

use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties, Event};
use runtime::Problem;
use tokio::time::timeout;

use super::config::{Access, Config};
use super::trouble;

/// For the socket, for TLS and for the login together.
const CONNECT: Duration = Duration::from_secs(15);
/// For the server to say good-bye.
const CLOSE: Duration = Duration::from_secs(5);

/// A connection whose socket we can cut: the client waits without end for a server that answers nothing, and its
/// thread with it.
pub(super) struct Link {
    pub connection: Connection,
    socket: Socket,
}

#[derive(Clone, Default)]
struct Socket(Arc<Mutex<Option<TcpStream>>>);

impl Socket {
    fn keep(&self, handle: TcpStream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }

    fn cut(&self) {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(socket) = socket {
            // Err: it is cut already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Link {
    /// Connects and logs in. `purpose` is shown by RabbitMQ's tools.
    pub async fn open(config: &Config, purpose: &str) -> Result<Link, Problem> {
        let Access { uri, tls } = config.access().await?;
        let (server, socket) = (config.server(), Socket::default());
        let runtime =
            lapin::runtime::default_runtime().map_err(|e| trouble::connecting(&server, e))?;
        let (slot, reactor) = (socket.clone(), runtime.clone());
        let connect = async move |uri: AMQPUri, _| {
            let (host, port) = (uri.authority.host.as_str(), uri.authority.port);
            let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
            let stream = AsyncTcpStream::connect(&reactor, addresses.as_slice()).await?;
            if let AsyncTcpStream::Plain(stream) = &stream {
                slot.keep(stream.get_ref().as_fd().try_clone_to_owned()?.into());
            }
            Ok(match uri.scheme {
                AMQPScheme::AMQP => stream,
                AMQPScheme::AMQPS => stream.into_tls(host, tls.as_ref()).await?,
            })
        };
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("leastwise: {purpose}").into());
        let opening = Connection::connector(uri, runtime, connect, properties);
        match timeout(CONNECT, opening).await {
            Ok(Ok(connection)) => Ok(Link { connection, socket }),
            Ok(Err(e)) => {
                socket.cut();
                Err(trouble::connecting(&server, e))
            }
            Err(_) => {
                socket.cut();
                Err(trouble::silent(&server))
            }
        }
    }

    /// What happens to the connection.
    pub fn events(&self) -> impl futures::Stream<Item = Event> + Send + 'static {
        self.connection.events_listener()
    }

    /// Says good-bye: whatever was sent before has been handled then.
    pub async fn close(&self) {
        let closing = self.connection.close(200, "OK".into());
        // Err: it is gone already.
        let _ = timeout(CLOSE, closing).await;
        self.cut();
    }

    /// Ends it at once.
    pub fn cut(&self) {
        self.socket.cut();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
    }
}
