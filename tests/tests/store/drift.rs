//! A change of what an app may is told also when it was made while no token-broker ran.

use serde_json::{Value, json};

use super::legacy::REFRESH;
use super::world::{World, files};

impl World {
    pub async fn consent(&self, change: Value) {
        self.control("consent?tenant=0&app=0", change).await;
    }

    /// What the audit logs of all lives tell of changes.
    pub fn drifts(&self) -> Vec<String> {
        let written = self.written();
        let records = written.lines().filter_map(|line| {
            // Between the bytes of a database there may be anything.
            serde_json::from_str::<Value>(line).ok()
        });
        let drifts = records.filter(|record| record["kind"] == "drift");
        let told = drifts.map(|record| record["detail"].as_str().unwrap().to_owned());
        told.collect()
    }
}

#[tokio::test]
async fn what_changed_while_no_broker_ran_is_told_once_after_the_start() {
    let world = World::new();
    let (section, secret) = world.secret();
    let mut life = world.start(&[]).await.unwrap();
    life.put(section.clone(), secret.clone()).await.unwrap();
    life.token().await.unwrap();
    drop(life);
    let mut life = world.start(&[]).await.unwrap();
    life.token().await.unwrap();
    assert!(world.drifts().is_empty(), "nothing has changed");
    drop(life);
    let narrow = json!({"roles": ["User.Read.All"]});
    world.consent(narrow).await;
    for principal in ["missing", "enabled"] {
        world.consent(json!({ "principal": principal })).await;
    }
    for _ in 0..2 {
        let mut life = world.start(&[]).await.unwrap();
        life.token().await.unwrap();
        life.new_token().await.unwrap();
        let told = world.drifts();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("-Organization.Read.All, the service principal was made anew"),
            "{told:?}"
        );
    }
    // Who takes a tenant out and puts it back begins anew.
    let mut life = world.start(&[]).await.unwrap();
    life.remove().await;
    world
        .consent(json!({"roles": ["User.Read.All", "Organization.Read.All"]}))
        .await;
    life.put(section, secret).await.unwrap();
    life.token().await.unwrap();
    assert_eq!(world.drifts().len(), 1);
}

#[tokio::test]
async fn another_person_behind_a_sign_in_is_told() {
    let world = World::new();
    let client = world.public_app().await;
    let section = world.of_a_person(&client, REFRESH);
    let users = world.get("_control/truth?tenant=0&kind=users").await;
    let users = users.lines().map(serde_json::from_str::<Value>);
    let mut people = users
        .map(Result::unwrap)
        .filter(|u| u["accountEnabled"] == true);
    for _ in 0..2 {
        let person = people.next().unwrap()["id"].as_str().unwrap().to_owned();
        let signed_in = world.sign_in_as(&client, Some(&person)).await;
        let token = signed_in["refresh_token"].as_str().unwrap();
        let mut life = world.start(&[]).await.unwrap();
        life.put(section.clone(), files(&[("person", token)]))
            .await
            .unwrap();
        life.token().await.unwrap();
    }
    let told = world.drifts();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("the person ") && told[0].contains("it was the person"),
        "{told:?}"
    );
}
