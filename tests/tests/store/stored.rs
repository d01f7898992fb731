//! Tenants of the store, sealed files, kills.

use std::collections::HashMap;

use proto::admin::v1::{
    AddCredentialRequest, DropCredentialRequest, KillRequest, PreflightRequest,
    RemoveTenantRequest, ReviveRequest,
};
use proto::token::v1::ListTenantsRequest;
use runtime::db::query;
use tonic::Code;

use super::world::{CERTIFICATE, Life, SECRET, World, files};

#[tokio::test]
async fn a_tenant_is_added_with_its_secret_sealed_and_survives_a_restart() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    assert_eq!(life.token().await.unwrap_err().code(), Code::NotFound);
    let (section, files) = world.secret();
    life.put(section, files).await.unwrap();
    life.token().await.unwrap();
    drop(life);

    let mut life = world.start(&[]).await.unwrap();
    life.token().await.unwrap();
    assert!(life.status().await.tenants[0].stored);
    let secret = world.sim.tenants()[0].client_secret.as_bytes().to_vec();
    let written: Vec<u8> = ["store.db", "store.db-wal"]
        .iter()
        .flat_map(|name| std::fs::read(world.path(name)).unwrap_or_default())
        .collect();
    assert!(!written.windows(secret.len()).any(|w| w == secret));
    assert!(written.len() > 4_096);
}

#[tokio::test]
async fn a_credential_that_gets_no_token_is_not_stored() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let section = world.section(SECRET);
    let e = life
        .put(section.clone(), files(&[("secret", "wrong")]))
        .await
        .unwrap_err();
    assert_eq!(e.code(), Code::FailedPrecondition);
    assert!(e.message().contains("AADSTS7000215"), "{e}");
    let e = life
        .put(section.clone(), files(&[("sceret", "x")]))
        .await
        .unwrap_err();
    assert!(e.message().contains("`sceret`"), "{e}");
    let e = life.put(section, HashMap::new()).await.unwrap_err();
    assert!(e.message().contains("LW-2013"), "{e}");
    let e = life
        .put("id = 1".to_owned(), HashMap::new())
        .await
        .unwrap_err();
    assert!(
        e.code() == Code::InvalidArgument && e.message().contains("LW-1003"),
        "{e}"
    );
    assert!(life.status().await.tenants.is_empty());
}

#[tokio::test]
async fn credentials_overlap_and_the_new_one_is_tried_before_the_old_one_goes() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let (section, secret) = world.secret();
    life.put(section, secret).await.unwrap();
    let add = |life: &Life, pem: &str| AddCredentialRequest {
        tenant_id: life.id.clone(),
        app: String::new(),
        section: CERTIFICATE.to_owned(),
        files: files(&[("app.pem", pem)]),
    };
    let request = add(&life, "no certificate");
    let e = life.admin.add_credential(request).await.unwrap_err();
    assert!(e.message().contains("LW-2015"), "{e}");
    assert_eq!(life.kinds().await, ["client_secret"]);
    let request = add(&life, world.sim.tenants()[0].certificate);
    life.admin.add_credential(request).await.unwrap();
    assert_eq!(life.kinds().await, ["certificate", "client_secret"]);
    let drop = |life: &Life, position| DropCredentialRequest {
        tenant_id: life.id.clone(),
        app: "default".to_owned(),
        position,
    };
    let request = drop(&life, 2);
    let e = life.admin.drop_credential(request).await.unwrap_err();
    assert_eq!(e.code(), Code::NotFound);
    let request = drop(&life, 1);
    life.admin.drop_credential(request).await.unwrap();
    assert_eq!(life.kinds().await, ["certificate"]);
    life.token().await.unwrap();
    // The last one stays, and what the section no longer names is destroyed.
    let request = drop(&life, 0);
    let e = life.admin.drop_credential(request).await.unwrap_err();
    assert!(e.message().contains("no credential"), "{e}");
    let names: Vec<String> = {
        let mut read = world.db().await.read().await.unwrap();
        let names = query("SELECT name FROM secret").fetch_all(&mut read).await;
        names.unwrap()
    };
    assert_eq!(names, ["app.pem"]);
}

#[tokio::test]
async fn after_a_kill_no_token_is_handed_out_until_it_is_taken_back() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let (section, secret) = world.secret();
    life.put(section, secret).await.unwrap();
    life.token().await.unwrap();
    let id = life.id.clone();
    for scope in [id.as_str(), ""] {
        life.kill(scope).await;
        let e = life.token().await.unwrap_err();
        assert!(
            e.code() == Code::PermissionDenied && e.message().contains("LW-2062"),
            "{e}"
        );
        drop(life);
        life = world.start(&[]).await.unwrap();
        let requests = world.network.requests();
        assert!(life.token().await.is_err(), "it survives a restart");
        assert_eq!(world.network.requests(), requests, "Entra ID is not asked");
        assert_eq!(life.status().await.kills[0].tenant_id, scope);
        let revive = ReviveRequest {
            tenant_id: scope.to_owned(),
            everybody: scope.is_empty(),
        };
        life.admin.revive(revive.clone()).await.unwrap();
        life.token().await.unwrap();
        let e = life.admin.revive(revive).await.unwrap_err();
        assert_eq!(e.code(), Code::NotFound);
    }
    let nobody = KillRequest::default();
    let e = life.admin.kill(nobody).await.unwrap_err();
    assert_eq!(e.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_removed_tenant_is_told_to_everybody_and_its_credentials_are_destroyed() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let (section, secret) = world.secret();
    life.put(section.clone(), secret.clone()).await.unwrap();
    let request = RemoveTenantRequest {
        tenant_id: life.id.clone(),
    };
    life.admin.remove_tenant(request).await.unwrap();
    assert_eq!(life.token().await.unwrap_err().code(), Code::NotFound);
    let listed = life
        .tokens
        .list_tenants(ListTenantsRequest::default())
        .await;
    let state = listed.unwrap().into_inner().tenants[0].state();
    assert_eq!(state, proto::token::v1::TenantState::Removed);
    let mut read = world.db().await.read().await.unwrap();
    let left: i64 = query("SELECT count(*) FROM secret")
        .fetch_one(&mut read)
        .await
        .unwrap();
    assert_eq!(left, 0);
    drop(read);
    life.put(section, secret).await.unwrap();
    life.token().await.unwrap();
}

#[tokio::test]
async fn a_new_key_is_taken_up_while_it_runs_and_the_old_one_is_needed_no_more() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let (section, secret) = world.secret();
    life.put(section, secret).await.unwrap();
    world.key("key", 2);
    {
        // The first round looks at the key files.
        let following = life.broker.follow_store();
        tokio::pin!(following);
        let keks = async || -> Vec<String> {
            let mut read = world.db().await.read().await.unwrap();
            query("SELECT kek FROM secret")
                .fetch_all(&mut read)
                .await
                .unwrap()
        };
        let before = keks().await;
        while keks().await == before {
            tokio::select! {
                () = &mut following => {}
                () = tokio::task::yield_now() => {}
            }
        }
    }
    drop(life);
    let mut life = world.start(&[]).await.unwrap();
    life.token().await.unwrap();
    drop(life);
    // Without the right key nothing opens, and the message says which one is missing.
    world.key("key", 3);
    let mut life = world.start(&[]).await.unwrap();
    let e = life.token().await.unwrap_err();
    let told = e.message();
    assert!(
        told.contains("LW-2067") && told.contains("old_key_files"),
        "{e}"
    );
    world.key("old", 2);
    let mut life = world.start(&["old"]).await.unwrap();
    life.token().await.unwrap();
    std::fs::write(world.path("key"), "short").unwrap();
    let e = world.start(&[]).await.err().unwrap();
    assert_eq!(e.code, "LW-2060");
}

#[tokio::test]
async fn rows_that_were_exchanged_do_not_open() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let both = format!("{SECRET}\n[[credentials]]\nkind = 'client_secret'\nfile = 'other'");
    let secret = world.sim.tenants()[0].client_secret.clone();
    let contents = files(&[("secret", &secret), ("other", &secret)]);
    life.put(world.section(&both), contents).await.unwrap();
    let mut write = world.db().await.write().await.unwrap();
    query("UPDATE secret SET wrapped = (SELECT wrapped FROM secret WHERE name = 'other'), sealed = (SELECT sealed FROM secret WHERE name = 'other')")
        .execute(&mut write)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let mut life = world.start(&[]).await.unwrap();
    life.token().await.unwrap();
    let request = DropCredentialRequest {
        tenant_id: life.id.clone(),
        app: String::new(),
        position: 1,
    };
    let e = life.admin.drop_credential(request).await.unwrap_err();
    assert!(e.message().contains("LW-2069"), "{e}");
}

#[tokio::test]
async fn a_preflight_says_what_is_missing_refused_and_needless() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let (section, secret) = world.secret();
    life.put(section, secret).await.unwrap();
    let request = PreflightRequest {
        tenant_id: life.id.clone(),
    };
    let report = life.admin.preflight(request).await.unwrap().into_inner();
    let app = &report.apps[0];
    assert!(app.problem.is_empty(), "{app:?}");
    assert_eq!(app.credential, "0 client_secret");
    assert_eq!(app.granted, ["Organization.Read.All", "User.Read.All"]);
    assert!(app.missing.is_empty() && app.refused.is_empty() && app.unused.is_empty());
}
