//! RabbitMQ: who may connect, and what each account may do.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod fixtures;

use bus::amqp::{Account, Amqp, Config, Role, definitions};
use bus::{Backend, Envelope, PublishError, ReceiveError, Topology};
use proto::message::Queue;
use servers::{Pki, RabbitMq, Tls, Validity, rabbitmq};
use tempfile::TempDir;

struct Walled {
    rabbit: RabbitMq,
    pki: Pki,
    dir: TempDir,
}

fn topology() -> Topology {
    Topology::of_pools(["default", "contoso"].map(|pool| pool.parse().unwrap()))
}

/// A server that lets nobody in without a certificate.
fn walled() -> Walled {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path()).unwrap();
    let accounts = [
        ("collector", Role::Collector("default".parse().unwrap())),
        ("normalizer", Role::Normalizer),
        ("exporter", Role::Exporter),
    ];
    let accounts = accounts.map(|(name, role)| Account {
        name: name.into(),
        role,
    });
    let tls = pki.issue("rabbitmq", None, &["localhost"], Validity::Good);
    let options = rabbitmq::Options {
        definitions: Some(definitions(&topology(), "/", &accounts)),
        tls: Some(tls.unwrap()),
        ..Default::default()
    };
    Walled {
        rabbit: RabbitMq::start(&options).unwrap(),
        pki,
        dir,
    }
}

impl Walled {
    fn config(&self, tls: &Tls) -> Config {
        Config {
            ca_file: Some(self.pki.ca()),
            cert_file: Some(tls.certificate.clone()),
            key_file: Some(tls.key.clone()),
            check_seconds: 1,
            ..Config::new(format!("amqps://localhost:{}", self.rabbit.port()))
        }
    }

    fn identity(&self, name: &str, validity: Validity) -> Tls {
        self.pki.issue(name, None, &[], validity).unwrap()
    }

    async fn connect(&self, name: &str) -> Amqp {
        let config = self.config(&self.identity(name, Validity::Good));
        Amqp::connect(config, topology()).await.unwrap()
    }
}

async fn refused(config: Config, code: &str) {
    let queue = Amqp::connect(config, topology()).await.unwrap();
    let why = queue.ready().unwrap_err();
    assert!(why.starts_with(code), "{why}");
    queue.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_may_not_connect_is_told_why() {
    let server = walled();
    let good = server.identity("exporter", Validity::Good);
    let queue = Amqp::connect(server.config(&good), topology())
        .await
        .unwrap();
    queue.ready().unwrap();

    let expired = server.identity("late", Validity::Expired);
    refused(server.config(&expired), "LW-2041").await;
    let stranger = Pki::new(server.dir.path().join("stranger")).unwrap();
    let forged = stranger
        .issue("exporter", None, &[], Validity::Good)
        .unwrap();
    refused(server.config(&forged), "LW-2041").await;
    let mut wrong_ca = server.config(&good);
    wrong_ca.ca_file = Some(stranger.ca());
    refused(wrong_ca, "LW-2041").await;
    let nobody = server.identity("nobody", Validity::Good);
    refused(server.config(&nobody), "LW-2040").await;
    let mut no_file = server.config(&good);
    no_file.key_file = Some(server.dir.path().join("no such file"));
    refused(no_file, "LW-2042").await;
    let mut elsewhere = server.config(&good);
    elsewhere.url += "/elsewhere";
    refused(elsewhere, "LW-2040").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotated_certificate_is_picked_up() {
    let server = walled();
    let mut config = server.config(&server.identity("exporter", Validity::Expired));
    let (cert, key) = (
        server.dir.path().join("mine.pem"),
        server.dir.path().join("mine.key"),
    );
    std::fs::rename(config.cert_file.unwrap(), &cert).unwrap();
    std::fs::rename(config.key_file.unwrap(), &key).unwrap();
    (config.cert_file, config.key_file) = (Some(cert.clone()), Some(key.clone()));
    let queue = Amqp::connect(config, topology()).await.unwrap();
    assert!(queue.ready().unwrap_err().starts_with("LW-2041"));
    let good = server.identity("exporter", Validity::Good);
    std::fs::rename(good.certificate, cert).unwrap();
    std::fs::rename(good.key, key).unwrap();
    let wait = async {
        while queue.ready().is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), wait)
        .await
        .unwrap();
}

/// Whether the account may publish to it. A session that was denied something ends, so each question has its own.
async fn may_write(server: &Walled, account: &str, queue: &Queue) -> bool {
    match server
        .connect(account)
        .await
        .publish(queue, Envelope::from_bytes(vec![1]))
        .await
    {
        Ok(()) => true,
        Err(PublishError::Unconfirmed { source, .. }) => {
            assert!(
                source.to_string().contains("403") || source.to_string().contains("REFUSED"),
                "{source}"
            );
            false
        }
        Err(e) => panic!("{e:?}"),
    }
}

/// Whether the account may read it. Purging needs the same right as consuming.
async fn may_read(server: &Walled, account: &str, queue: &Queue) -> bool {
    match server.connect(account).await.purge(queue).await {
        Ok(_) => true,
        Err(ReceiveError::Unavailable(_)) => false,
        Err(e) => panic!("{e:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_account_may_do_what_it_must_and_nothing_else() {
    let server = walled();
    let (default, contoso) = (
        Queue::Verdict("default".parse().unwrap()),
        Queue::Verdict("contoso".parse().unwrap()),
    );
    let pages = [Queue::PageFull, Queue::PageSome, Queue::Seal];
    let with = |more: &[Queue]| [&pages[..], more].concat();
    let accounts = [
        ("collector", with(&[Queue::Dead]), vec![default.clone()]),
        (
            "normalizer",
            vec![default, contoso, Queue::Closing, Queue::Dead],
            with(&[Queue::Dead]),
        ),
        ("exporter", vec![Queue::Dead], vec![Queue::Closing]),
    ];
    for (name, write, read) in accounts {
        for queue in topology().queues {
            assert_eq!(
                (
                    may_write(&server, name, &queue).await,
                    may_read(&server, name, &queue).await
                ),
                (write.contains(&queue), read.contains(&queue)),
                "{name} and {queue}"
            );
        }
    }
    let listed = server.rabbit.list_permissions("/").unwrap();
    let configure: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["configure"])
        .collect();
    assert_eq!(configure, ["^$", "^$", "^$"], "{listed}");
}
