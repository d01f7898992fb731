//! Budgets: what is charged, what a refusal tells, and that waiting as told is enough.

use std::time::Duration;

use crate::support::{Answer, Client};
use graph_sim::{Config, RetryAfter, Throttling, Window};
use serde_json::json;

/// A large tenant has 8,000 units in 10 seconds: here 8.
fn config(how: Throttling) -> Config {
    Config {
        users: 600,
        tenants: 2,
        throttling: Some(Throttling {
            divisor: 1_000.0,
            ..how
        }),
        ..Config::default()
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|v| v.to_str().unwrap())
}

#[tokio::test]
async fn units_are_charged_until_none_is_left() {
    for window in [Window::Bucket, Window::Sliding, Window::Fixed] {
        let client = Client::new(config(Throttling {
            window,
            ..Throttling::default()
        }))
        .await;
        for n in 1..=4 {
            let answer = client.get("/users?$top=20").await;
            assert_eq!(
                (answer.status, header(&answer, "x-ms-resource-unit")),
                (200, Some("2"))
            );
            let share = header(&answer, "x-ms-throttle-limit-percentage");
            assert_eq!(share, (n == 4).then_some("1.00"), "{window:?}");
        }
        let refused = client.get("/users?$select=id").await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (429, "TooManyRequests")
        );
        let scope = header(&refused, "x-ms-throttle-scope").unwrap();
        let info = &client.sim.tenants()[0];
        assert_eq!(
            scope,
            format!("Tenant_Application/Read/{}/{}", info.client_id, info.id)
        );
        assert_eq!(
            header(&refused, "x-ms-throttle-information"),
            Some("ResourceUnitLimitExceeded")
        );
        // Another tenant has its own budget.
        assert_eq!(
            Client::of(&client.sim, 1)
                .await
                .get("/users?$top=20")
                .await
                .status,
            200
        );
        let wait = header(&refused, "retry-after").unwrap().parse().unwrap();
        client.sim.tick(Duration::from_secs(wait));
        assert_eq!(
            client.get("/users?$select=id").await.status,
            200,
            "{window:?}"
        );
    }
}

#[tokio::test]
async fn the_wait_is_told_in_several_ways() {
    // One unit is charged for the refused attempt, so two have to come back: 1.25 s each.
    for (retry_after, expected) in [
        (RetryAfter::Graph, Some("3")),
        (RetryAfter::Seconds, Some("3")),
        (RetryAfter::Decimal, Some("2.500")),
        (RetryAfter::Absent, None),
    ] {
        let how = Throttling {
            retry_after,
            headers: false,
            ..Throttling::default()
        };
        let client = Client::new(config(how)).await;
        for _ in 0..8 {
            let answer = client.get("/organization").await;
            assert_eq!(
                (answer.status, header(&answer, "x-ms-resource-unit")),
                (200, None)
            );
        }
        let refused = client.get("/organization").await;
        assert_eq!(header(&refused, "retry-after"), expected, "{retry_after:?}");
    }
    let how = Throttling {
        retry_after: RetryAfter::Date,
        ..Throttling::default()
    };
    let client = Client::new(config(how)).await;
    for _ in 0..8 {
        client.get("/organization").await;
    }
    let refused = client.get("/organization").await;
    assert!(header(&refused, "retry-after").unwrap().ends_with(" GMT"));
}

#[tokio::test]
async fn parts_of_a_batch_are_throttled_by_themselves() {
    let client = Client::new(config(Throttling::default())).await;
    let part = |id: u32| json!({ "id": id.to_string(), "method": "GET", "url": "/organization" });
    let batch = json!({ "requests": (0..12).map(part).collect::<Vec<_>>() });
    let answer = client.batch(&batch).await;
    assert_eq!(answer.status, 200);
    let parts = answer.json()["responses"].as_array().unwrap().clone();
    let with = |status: u32| parts.iter().filter(|p| p["status"] == status).count();
    assert_eq!((with(200), with(429)), (8, 4));
    for part in parts.iter().filter(|p| p["status"] == 429) {
        assert!(part["headers"]["Retry-After"].is_string(), "{part}");
        assert_eq!(part["body"]["error"]["code"], "TooManyRequests");
    }
}

#[tokio::test]
async fn low_priority_is_refused_first() {
    let how = Throttling {
        low_priority_share: 0.5,
        ..Throttling::default()
    };
    let client = Client::new(config(how)).await;
    let low = [("x-ms-throttle-priority", "low")];
    for _ in 0..4 {
        assert_eq!(client.get_with("/organization", &low).await.status, 200);
    }
    assert_eq!(client.get_with("/organization", &low).await.status, 429);
    assert_eq!(client.get("/organization").await.status, 200);
}

#[tokio::test]
async fn services_have_limits_of_their_own() {
    // Whether a path is served or not: its limit counts first.
    let how = Throttling {
        intune_as_500: true,
        ..Throttling::default()
    };
    let throttling = Some(Throttling {
        divisor: 1.0,
        ..how
    });
    let client = Client::new(Config {
        throttling,
        ..Config::default()
    })
    .await;
    let served = async |path: &str, times: u32| {
        let mut answer = client.get(path).await;
        for _ in 1..times {
            answer = client.get(path).await;
        }
        answer
    };
    for (path, limit, status) in [
        ("/auditLogs/signIns", 5, 429),
        ("/reports/getOffice365ActivationsUserDetail", 14, 429),
        (
            "/reports/getTeamsUserActivityUserDetail(period='D7')",
            14,
            429,
        ),
        ("/identityProtection/riskDetections", 1, 429),
        ("/deviceManagement/reports/exportJobs", 48, 500),
    ] {
        let last = served(path, limit).await.status;
        assert!(last != status, "{path}: {last}");
        let refused = served(path, 1).await;
        assert_eq!(
            (refused.status, header(&refused, "retry-after")),
            (status, None),
            "{path}"
        );
    }
    client.sim.throttle(None);
    assert!(served("/auditLogs/signIns", 1).await.status != 429);
}
