//! A message that nobody can use.

use anyhow::{Result, anyhow};
use bus::amqp::Amqp;
use bus::{Backend as _, Envelope, Keys, Topology};
use proto::message::{Body, Queue};
use proto::pages::v1::{PageFetched, RunMode};

use super::Watched;

/// Puts a page of a tenant's into the queue, with the collector's rights, that was changed after it was sealed.
///
/// # Errors
/// When the queue doesn't take it.
pub async fn dead(watched: &Watched, tenant: &str) -> Result<()> {
    let it = &watched.it;
    let keys = Keys::load(&it.path("secrets/collector.keys")).map_err(|e| anyhow!("{e}"))?;
    let page = PageFetched {
        tenant_id: tenant.to_owned(),
        dataset: "users".into(),
        run: 7,
        attempt: 8,
        sequence: 9,
        mode: RunMode::Full.into(),
        ..Default::default()
    };
    let sealed = keys.seal(&Body::Page(page)).map_err(|e| anyhow!("{e}"))?;
    let mut bytes = sealed.bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    let own = |name: &str| Some(it.path(&format!("pki/collector.{name}")));
    let config = bus::amqp::Config {
        ca_file: Some(it.pki.ca()),
        cert_file: own("pem"),
        key_file: own("key"),
        ..bus::amqp::Config::new(format!("amqps://localhost:{}", it.rabbit.port()))
    };
    let queue = Amqp::connect(config, Topology::new([Queue::PageFull]))
        .await
        .map_err(|e| anyhow!("{e}"))?;
    queue
        .publish(&Queue::PageFull, Envelope::from_bytes(bytes))
        .await
        .map_err(|e| anyhow!("{e}"))?;
    queue.close().await;
    Ok(())
}
