//! The broker dies at each step of a change: the credential still works afterwards, or the operator is told what to do.

use std::pin::pin;
use std::task::Poll;

use proto::admin::v1::{
    AddCredentialRequest, DropCredentialRequest, RemoveTenantRequest, ReviveRequest,
};
use runtime::db::query;
use tonic::Code;

use super::world::{CERTIFICATE, Life, SECRET, World, files};

/// A life of the process. What is under way when it returns is over, as after SIGKILL: only what is on disk remains.
fn live<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(life)
}

/// Lets something go on so many times after it waited. None where that was not enough.
async fn until<T>(step: usize, act: impl Future<Output = T>) -> Option<T> {
    let mut act = pin!(act);
    let mut left = step;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        act.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Lives once until each step of an act, the start of the process included, and looks at what is left of it. Returns
/// how many of these lives ended before the act had an effect, and how many after it.
fn at_each_step(
    before: impl AsyncFn(&World),
    act: impl AsyncFn(&World),
    after: impl AsyncFn(&World) -> bool,
) -> (u32, u32) {
    let (mut without, mut with) = (0, 0);
    for step in 0.. {
        let world = World::new();
        live(before(&world));
        let done = live(until(step, act(&world))).is_some();
        match live(after(&world)) {
            true => with += 1,
            false => without += 1,
        }
        if done {
            return (without, with);
        }
    }
    unreachable!("an act has an end")
}

async fn started(world: &World) -> Life {
    world.start(&[]).await.unwrap()
}

async fn with_secret(world: &World) {
    let (section, secret) = world.secret();
    started(world).await.put(section, secret).await.unwrap();
}

async fn with_both(world: &World) {
    with_secret(world).await;
    add_certificate(world).await;
}

async fn add_certificate(world: &World) {
    let mut life = started(world).await;
    let request = AddCredentialRequest {
        tenant_id: life.id.clone(),
        app: String::new(),
        section: CERTIFICATE.to_owned(),
        files: files(&[("app.pem", world.sim.tenants()[0].certificate)]),
    };
    life.admin.add_credential(request).await.unwrap();
}

async fn drop_secret(world: &World) {
    let mut life = started(world).await;
    let request = DropCredentialRequest {
        tenant_id: life.id.clone(),
        app: String::new(),
        position: 1,
    };
    life.admin.drop_credential(request).await.unwrap();
}

/// The names of the sealed files, in their order.
async fn sealed(world: &World) -> Vec<String> {
    let mut read = world.db().await.read().await.unwrap();
    let names = query("SELECT name FROM secret ORDER BY name");
    names.fetch_all(&mut read).await.unwrap()
}

#[track_caller]
fn both(seen: (u32, u32)) {
    assert!(seen.0 > 2 && seen.1 > 0, "{seen:?}");
}

#[test]
fn a_tenant_that_is_added_is_there_with_its_credential_or_not_at_all() {
    both(at_each_step(
        async |_| {},
        with_secret,
        async |world| {
            let mut life = started(world).await;
            let there = !life.status().await.tenants.is_empty();
            assert_eq!(sealed(world).await.len(), usize::from(there));
            match there {
                true => life.token().await.unwrap(),
                false => {
                    let e = life.token().await.unwrap_err();
                    assert!(
                        e.code() == Code::NotFound && e.message().contains("LW-2011"),
                        "{e}"
                    );
                    // The operator does it again.
                    drop(life);
                    with_secret(world).await;
                }
            }
            there
        },
    ));
}

#[test]
fn a_credential_that_is_added_leaves_the_one_before_in_use() {
    both(at_each_step(with_secret, add_certificate, async |world| {
        let mut life = started(world).await;
        life.token().await.unwrap();
        let kinds = life.kinds().await;
        let added = kinds == ["certificate", "client_secret"];
        assert!(added || kinds == ["client_secret"], "{kinds:?}");
        let names = sealed(world).await;
        assert_eq!(names.len(), kinds.len(), "{names:?}");
        if !added {
            drop(life);
            add_certificate(world).await;
            assert_eq!(started(world).await.kinds().await.len(), 2);
        }
        added
    }));
}

#[test]
fn a_credential_that_is_dropped_is_in_use_or_destroyed() {
    both(at_each_step(with_both, drop_secret, async |world| {
        let mut life = started(world).await;
        life.token().await.unwrap();
        let dropped = life.kinds().await == ["certificate"];
        let left: &[&str] = match dropped {
            true => &["app.pem"],
            false => &["app.pem", "secret"],
        };
        assert_eq!(sealed(world).await, left);
        dropped
    }));
}

#[test]
fn a_tenant_that_gets_another_credential_has_the_old_or_the_new_one() {
    let put_certificate = async |world: &World| {
        let contents = files(&[("app.pem", world.sim.tenants()[0].certificate)]);
        let mut life = started(world).await;
        life.put(world.section(CERTIFICATE), contents)
            .await
            .unwrap();
    };
    both(at_each_step(with_secret, put_certificate, async |world| {
        let mut life = started(world).await;
        life.token().await.unwrap();
        let new = life.kinds().await == ["certificate"];
        let name = if new { "app.pem" } else { "secret" };
        assert_eq!(sealed(world).await, [name]);
        new
    }));
}

#[test]
fn a_tenant_that_is_removed_works_or_is_told_as_removed() {
    let remove = async |world: &World| {
        let mut life = started(world).await;
        let request = RemoveTenantRequest {
            tenant_id: life.id.clone(),
        };
        life.admin.remove_tenant(request).await.unwrap();
    };
    both(at_each_step(with_secret, remove, async |world| {
        let mut life = started(world).await;
        let removed = life.status().await.tenants[0].removed;
        assert_eq!(life.token().await.is_err(), removed);
        assert_eq!(sealed(world).await.is_empty(), removed);
        removed
    }));
}

#[test]
fn a_kill_and_its_end_are_kept_or_have_never_been() {
    let kill = async |world: &World| started(world).await.kill("").await;
    let revive = async |world: &World| {
        let request = ReviveRequest {
            tenant_id: String::new(),
            everybody: true,
        };
        started(world).await.admin.revive(request).await.unwrap();
    };
    let killed = async |world: &World| {
        let mut life = started(world).await;
        let killed = !life.status().await.kills.is_empty();
        assert_eq!(life.token().await.is_err(), killed);
        killed
    };
    both(at_each_step(with_secret, kill, killed));
    let stopped = async |world: &World| {
        with_secret(world).await;
        kill(world).await;
    };
    both(at_each_step(stopped, revive, async |world| {
        !killed(world).await
    }));
}

/// With the old key beside the new one everything opens after each step. Without it, it does once all is under the new
/// one; before, the message names the key that is missing.
#[test]
fn a_new_key_of_the_store_opens_all_or_the_message_names_the_old_one() {
    // What the key that is there first is called.
    let first = live(async {
        let world = World::new();
        with_secret(&world).await;
        keks(&world).await.remove(0)
    });
    let whole = async |world: &World| !keks(world).await.contains(&first);
    let second = format!("{SECRET}\n[[credentials]]\nkind = 'client_secret'\nfile = 'other'");
    let with_two = async |world: &World| {
        let secret = world.sim.tenants()[0].client_secret.clone();
        let contents = files(&[("secret", &secret), ("other", &secret)]);
        let mut life = started(world).await;
        life.put(world.section(&second), contents).await.unwrap();
        world.key("old", 1);
        world.key("key", 2);
    };
    let rewrap = async |world: &World| {
        let life = world.start(&["old"]).await.unwrap();
        let following = life.broker.follow_store();
        let mut following = pin!(following);
        while !whole(world).await {
            let _ = futures::poll!(&mut following);
            tokio::task::yield_now().await;
        }
    };
    both(at_each_step(with_two, rewrap, async |world| {
        let mut life = world.start(&["old"]).await.unwrap();
        life.token().await.unwrap();
        drop(life);
        let whole = whole(world).await;
        let mut life = started(world).await;
        if let Err(e) = life.token().await {
            let told = e.message().contains("LW-2067") && e.message().contains(&first);
            assert!(!whole && told, "{first}: {e}");
        }
        // What the message says is done.
        drop(life);
        world.start(&["old"]).await.unwrap().token().await.unwrap();
        whole
    }));
}

/// The keys that sealed files need, each once.
async fn keks(world: &World) -> Vec<String> {
    let mut read = world.db().await.read().await.unwrap();
    let all = query("SELECT DISTINCT kek FROM secret ORDER BY kek");
    all.fetch_all(&mut read).await.unwrap()
}
