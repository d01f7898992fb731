//! The statements. A message's content has a table of its own: changing a row rewrites all of it.

use proto::message::Queue;
use runtime::db::{AssertSqlSafe, Db, Error, Migrations, Write, placeholders, query};
use runtime::row;

use crate::backend::Death;
use crate::envelope::Envelope;
use crate::shelf::{Item, Shelf};

/// Version and statements, ascending.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: SQLITE,
    postgres: &[],
    additions: &[],
};

const SQLITE: &[(i64, &str)] = &[(
    1,
    "CREATE TABLE message (
         id INTEGER PRIMARY KEY,           -- ascending: the order of the queue
         queue TEXT NOT NULL,
         bytes INTEGER NOT NULL,           -- length of its envelope
         offered INTEGER NOT NULL,         -- 1: may be in hand
         returned INTEGER NOT NULL,        -- how often it was given back
         origin TEXT,                      -- on the queue of the dead: where it comes from
         reason TEXT                       -- and why
     ) STRICT;
     CREATE TABLE envelope (
         id INTEGER PRIMARY KEY,
         content BLOB NOT NULL
     ) STRICT;",
)];

row! {
    struct Stored {
        id: u64,
        queue: String,
        bytes: u64,
        returned: i64,
        origin: Option<String>,
        reason: Option<String>,
    }
}

/// Gives back what was in hand and puts every message on the shelf. Returns the highest number.
pub(super) async fn load(db: &Db, shelf: &Shelf) -> Result<u64, Error> {
    let limit = shelf.topology.delivery_limit;
    let mut write = db.write().await?;
    // 64 MiB, as a setting of the writer's connection. Moving the log into the file waits for the disk, so it is to be
    // rare; and what was consumed by then is never moved.
    query("PRAGMA wal_autocheckpoint = 16384")
        .execute(&mut write)
        .await?;
    query("UPDATE message SET offered = 0, returned = returned + 1 WHERE offered = 1")
        .execute(&mut write)
        .await?;
    let dead = Queue::Dead.to_string();
    let worn_out = "SELECT id, queue FROM message WHERE returned >= ? AND queue <> ?";
    let worn_out: Vec<(i64, String)> = query(worn_out)
        .bind(limit)
        .bind(&dead)
        .fetch_all(&mut write)
        .await?;
    for (id, queue) in worn_out {
        if let Some(queue) = Queue::from_name(&queue) {
            bury(&mut write, id, &Death::worn_out(&queue, limit)).await?;
        }
    }
    query("UPDATE message SET offered = 0")
        .execute(&mut write)
        .await?;
    let all = "SELECT id, queue, bytes, returned, origin, reason FROM message ORDER BY id";
    let rows: Vec<Stored> = query(all).fetch_all(&mut write).await?;
    write.commit().await?;

    let mut inner = shelf.lock();
    let mut last = 0;
    for row in rows {
        last = row.id;
        let origin = row.origin.as_deref().and_then(Queue::from_name);
        let death = origin
            .zip(row.reason)
            .map(|(queue, reason)| Death { queue, reason });
        let bytes = row.bytes;
        let returned = u32::try_from(row.returned.max(0)).unwrap_or(u32::MAX);
        let item = Item {
            id: last,
            bytes,
            returned,
            death,
            trace: None,
            envelope: None,
        };
        match Queue::from_name(&row.queue).and_then(|q| inner.lines.get_mut(&q)) {
            Some(line) => {
                line.messages += 1;
                line.bytes += bytes;
                line.waiting.insert(last, item);
            }
            // Of a pool that was removed: kept until the pool is back.
            None => tracing::warn!(
                queue = row.queue,
                "a message waits on a queue that no longer exists"
            ),
        }
    }
    Ok(last)
}

/// The content of a message.
pub(super) async fn read(db: &Db, id: u64) -> Result<Envelope, Error> {
    let query = query("SELECT content FROM envelope WHERE id = ?").bind(signed(id));
    let content: Vec<u8> = query.fetch_one(&mut *db.read().await?).await?;
    Ok(Envelope::from_bytes(content))
}

pub(super) async fn insert(
    write: &mut Write,
    messages: &[(u64, String, Envelope)],
) -> Result<(), Error> {
    // 64 rows a statement: fewer round trips no longer show, and there are at most 64 texts to prepare.
    for some in messages.chunks(64) {
        let values = placeholders(some.len(), 5);
        let text =
            format!("INSERT INTO message (id, queue, bytes, offered, returned) VALUES {values}");
        let mut insert = query(AssertSqlSafe(text));
        for (id, queue, envelope) in some {
            insert = insert
                .bind(*id)
                .bind(queue)
                .bind(envelope.bytes().len() as i64)
                .bind(0)
                .bind(0);
        }
        insert.execute(write).await?;
        let text = format!(
            "INSERT INTO envelope (id, content) VALUES {}",
            placeholders(some.len(), 2)
        );
        let mut insert = query(AssertSqlSafe(text));
        for (id, _, envelope) in some {
            insert = insert.bind(*id).bind(&envelope.bytes()[..]);
        }
        insert.execute(write).await?;
    }
    Ok(())
}

pub(super) async fn delete(write: &mut Write, ids: &[u64]) -> Result<(), Error> {
    for text in [
        "DELETE FROM message WHERE id IN (??)",
        "DELETE FROM envelope WHERE id IN (??)",
    ] {
        on(write, text, ids).await?;
    }
    Ok(())
}

pub(super) async fn offer(write: &mut Write, ids: &[u64]) -> Result<(), Error> {
    on(
        write,
        "UPDATE message SET offered = 1 WHERE id IN (??)",
        ids,
    )
    .await
}

pub(super) async fn withdraw(write: &mut Write, ids: &[u64]) -> Result<(), Error> {
    on(
        write,
        "UPDATE message SET offered = 0 WHERE id IN (??)",
        ids,
    )
    .await
}

/// Stays on offer: it is the first to be handed out again.
pub(super) async fn give_back(write: &mut Write, ids: &[u64]) -> Result<(), Error> {
    on(
        write,
        "UPDATE message SET returned = returned + 1 WHERE id IN (??)",
        ids,
    )
    .await
}

pub(super) async fn bury(write: &mut Write, id: i64, death: &Death) -> Result<(), Error> {
    let text = "UPDATE message SET queue = ?, origin = ?, reason = ?, returned = 0 WHERE id = ?";
    let query = query(text)
        .bind(Queue::Dead.to_string())
        .bind(death.queue.to_string());
    query
        .bind(&death.reason)
        .bind(id)
        .execute(write)
        .await
        .map(drop)
}

async fn on(write: &mut Write, text: &'static str, ids: &[u64]) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    query(text)
        .bind(ids.iter().map(|id| signed(*id)).collect::<Vec<_>>())
        .execute(write)
        .await
        .map(drop)
}

/// As SQLite stores numbers; ours are counted from 1.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
