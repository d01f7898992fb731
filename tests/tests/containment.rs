//! What a kill stops, and when: the last request to Graph comes within the time for which callers may use a token.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the whole file is a test, and shows what it measured"
)]

use std::time::Duration;

use graph_sim::Fault;
use leastwise::pass;
use proto::admin::v1::KillRequest;
use proto::admin::v1::token_broker_admin_client::TokenBrokerAdminClient;
use tests::world::{Setting, Setup, World};

/// What a caller may use a token for before it asks again, in seconds.
const USE_FOR: u64 = 300;

#[test]
fn the_last_request_comes_within_five_minutes_of_a_kill_while_the_token_itself_works_on() {
    let mut setup = Setup::users(30_000);
    setup.paused = true;
    let mut world = World::new(Setting::Embedded, setup);
    // A minute for each page: the reading takes half an hour.
    world.sim().fault(Fault {
        path: Some("/users".to_owned()),
        delay_ms: Some(60_000),
        ..Fault::default()
    });
    let (clients, network) = (world.clients(), world.network.clone());
    let pages = || {
        world
            .sim()
            .log()
            .iter()
            .filter(|e| e.path == "/users")
            .count()
    };
    world.run(async {
        tokio::select! {
            _ = pass(&clients) => panic!("the reading was over too soon"),
            () = async { while pages() < 1 { network.reached(network.requests() + 1).await } } => {}
        }
        let request = KillRequest {
            everybody: true,
            ..KillRequest::default()
        };
        let mut admin = TokenBrokerAdminClient::new(clients.token_broker.clone());
        admin.kill(request).await.unwrap();
    });
    drop(clients);
    let killed = world.sim().now().as_secs();
    let refused = world.try_sync().unwrap();
    assert!(refused.exit().is_err(), "{}", refused.summary());
    world.advance_clock(Duration::from_secs(3_600));
    assert!(world.try_sync().unwrap().exit().is_err());

    let log = world.sim().log();
    let last = log
        .iter()
        .filter(|e| e.status == 200)
        .map(|e| e.at)
        .max()
        .unwrap();
    let after = last - killed;
    println!(
        "the last answer of Graph came {after} s after the kill; a token works for an hour and more"
    );
    assert!(0 < after && after <= USE_FOR, "{after} s");
}
