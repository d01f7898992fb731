//! Two pools: what the collectors of one may not, and that the end of one is nothing to the other.

use bus::amqp::{Amqp, Config};
use bus::{Backend as _, Envelope, PublishError, ReceiveError, Topology};
use proto::message::Queue;
use proto::token::v1::GetTokenRequest;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::grpc::{Remote, connect};
use runtime::tls;
use tonic::Code;

use super::run::{Stage, TRUST};

/// A is `contoso`, B everybody else's.
pub async fn apart(stage: &Stage<'_>) {
    a_gets_no_token_for_b(stage).await;
    a_reads_and_writes_no_verdict_of_b(stage).await;
    b_goes_on_without_a(stage).await;
}

/// Asks as a pool's collector does.
async fn token(stage: &Stage<'_>, who: &str, tenant: usize) -> Result<(), Code> {
    let file = |name: &str| stage.pki.directory().join(format!("{who}.{name}"));
    let own = tls::Config {
        ca_file: stage.pki.ca(),
        cert_file: file("pem"),
        key_file: file("key"),
    };
    let broker = Remote {
        endpoint: vec![format!("https://{}:7443", stage.address("token-broker"))],
        identity: Some(format!("{TRUST}/token-broker").parse().unwrap()),
    };
    let channel = connect("token-broker", &broker, Some(&own)).unwrap();
    let request = GetTokenRequest {
        tenant_id: stage.tenant(tenant).to_owned(),
        dataset: "users".into(),
        ..Default::default()
    };
    let answer = TokenServiceClient::new(channel).get_token(request).await;
    answer.map(drop).map_err(|status| status.code())
}

async fn a_gets_no_token_for_b(stage: &Stage<'_>) {
    for (who, own, other) in [("collector-contoso", 1, 0), ("collector", 0, 1)] {
        assert_eq!(token(stage, who, own).await, Ok(()), "{who}");
        assert_eq!(
            token(stage, who, other).await,
            Err(Code::PermissionDenied),
            "{who}"
        );
    }
    // Whoever is no collector gets none at all.
    assert_eq!(
        token(stage, "exporter", 0).await,
        Err(Code::PermissionDenied)
    );
}

async fn a_reads_and_writes_no_verdict_of_b(stage: &Stage<'_>) {
    let of = |pool: &str| Queue::Verdict(pool.parse().unwrap());
    assert!(may_read(stage, "collector-contoso", &of("contoso")).await);
    assert!(!may_read(stage, "collector-contoso", &of("default")).await);
    for pool in ["default", "contoso"] {
        assert!(
            !may_write(stage, "collector-contoso", &of(pool)).await,
            "{pool}"
        );
    }
}

/// The queue, as the account of a certificate. A session that was denied something ends, so each question has its own.
async fn queue(stage: &Stage<'_>, who: &str) -> Amqp {
    let file = |name: &str| Some(stage.pki.directory().join(format!("{who}.{name}")));
    let config = Config {
        ca_file: Some(stage.pki.ca()),
        cert_file: file("pem"),
        key_file: file("key"),
        check_seconds: 1,
        ..Config::new(format!("amqps://{}:5671", stage.kitchen.network.gateway()))
    };
    let pools = ["default", "contoso"].map(|pool| pool.parse().unwrap());
    Amqp::connect(config, Topology::of_pools(pools))
        .await
        .unwrap()
}

async fn may_write(stage: &Stage<'_>, who: &str, to: &Queue) -> bool {
    match queue(stage, who)
        .await
        .publish(to, Envelope::from_bytes(vec![1]))
        .await
    {
        Ok(()) => true,
        Err(PublishError::Unconfirmed { source, .. }) => {
            let said = source.to_string();
            assert!(said.contains("403") || said.contains("REFUSED"), "{said}");
            false
        }
        Err(e) => panic!("{e:?}"),
    }
}

/// Purging needs the same right as consuming.
async fn may_read(stage: &Stage<'_>, who: &str, from: &Queue) -> bool {
    match queue(stage, who).await.purge(from).await {
        Ok(_) => true,
        Err(ReceiveError::Unavailable(_)) => false,
        Err(e) => panic!("{e:?}"),
    }
}

async fn b_goes_on_without_a(stage: &Stage<'_>) {
    let latest = || {
        let page = stage.page("collector", "/metrics").unwrap();
        let line = page
            .lines()
            .find(|l| l.starts_with("leastwise_schedule_latest_seconds"))
            .unwrap()
            .to_owned();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    stage
        .kitchen
        .podman
        .podman(&["pod", "rm", "--force", "--time", "0", "collector-contoso"])
        .unwrap();
    assert!(
        stage.page("collector-contoso", "/livez").is_err(),
        "it is gone"
    );
    stage.control("POST", "advance?days=1").await;
    let read = stage.leastwise("collector", &["sync"]);
    assert_eq!(read.code, Some(0), "{read:?}");
    stage.until_the_sink_is_true(&[0]).await;
    servers::wait_until(
        "nothing of B waits",
        std::time::Duration::from_secs(60),
        || Ok(latest() == 0.0),
    )
    .unwrap();
}
