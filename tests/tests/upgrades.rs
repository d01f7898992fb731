//! Two releases side by side: the older one leaves alone what it does not understand.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::process::ExitCode;

use leastwise::{Outcome, pass};
use tests::cluster::{Cluster, Servers, Tuning};
use tests::process::built;
use tests::truth::Truth;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Passes until one is whole, or until one fails with this code.
async fn passes(cluster: &Cluster, code: Option<&str>) -> Outcome {
    for _ in 0..100 {
        if let Ok(outcome) = pass(&cluster.clients(0).unwrap()).await {
            match (outcome.exit(), code) {
                (Ok(exit), None) if exit == ExitCode::SUCCESS => return outcome,
                (Err(problem), Some(code)) if problem.to_string().starts_with(code) => {
                    return outcome;
                }
                _ => {}
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("no pass ended as it should");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_newer_release_reads_is_left_alone_and_said() {
    built();
    let servers = tokio::task::spawn_blocking(|| Servers::start().unwrap())
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sim = graph_sim::Sim::new(graph_sim::Config {
        users: 200,
        base: Some(format!("http://{}", listener.local_addr().unwrap())),
        wall_clock: true,
        ..graph_sim::Config::default()
    });
    let server = sim.clone();
    let mut serving = JoinSet::new();
    serving.spawn(async move { server.serve(listener, std::future::pending()).await });
    let tuning = Tuning {
        replicas: 1,
        sqlite_sink: false,
        ..Tuning::default()
    };
    let cluster = Cluster::start(&servers, sim.tenants(), tuning).unwrap();
    passes(&cluster, None).await;
    let pool = &cluster.pool("collector").clone();

    let row = "SELECT cursor || coalesce(open, '') || coalesce(sealed, '') || schedule FROM dataset WHERE dataset = 'users'";
    let row = || sqlx::query_scalar::<_, String>(row).fetch_one(pool);
    let declared = |version: i32| {
        let sql = format!(
            "UPDATE dataset SET cursor = jsonb_set(cursor::jsonb, '{{declaration}}', '{version}')::text WHERE dataset = 'users'"
        );
        let sql = sqlx::AssertSqlSafe(sql);
        async move { sqlx::query(sql).execute(pool).await.unwrap() }
    };
    let ours = "SELECT (cursor::jsonb ->> 'declaration')::int FROM dataset WHERE dataset = 'users'";
    let ours: i32 = sqlx::query_scalar(ours).fetch_one(pool).await.unwrap();
    declared(ours + 1).await;
    let (before, asked) = (row().await.unwrap(), sim.log().len());
    sim.advance(1);
    let outcome = passes(&cluster, Some("LW-4054")).await;
    assert_eq!(row().await.unwrap(), before);
    let asked: Vec<String> = sim.log()[asked..].iter().map(|e| e.path.clone()).collect();
    assert!(
        !asked.iter().any(|path| path.starts_with("/users")),
        "{asked:?}"
    );
    assert!(
        asked.iter().any(|path| path == "/subscribedSkus"),
        "{asked:?}"
    );
    assert!(
        outcome
            .collector
            .datasets
            .iter()
            .all(|d| (d.phase == "failed") == (d.dataset == "users"))
    );

    // The newer release is gone for good, or is this one: it goes on.
    declared(ours).await;
    passes(&cluster, None).await;
    let files = cluster.files();
    assert_eq!(
        tests::inventory::read(&files, "user").len(),
        Truth::of(&sim).records("user").len()
    );
}
