//! ServiceNow: rows of an import set table, which a transform map of ours brings into tables of the instance.
//!
//! | what | how |
//! |---|---|
//! | a push | one import set: `POST /api/now/import/<table>/insertMultiple`, answered before anything is transformed |
//! | what became of it | `sys_import_state` of its rows, read by the Table API until none is `pending` |
//! | `inserted`, `updated`, `ignored` | taken; ignored is what is older than the target, or equal to it |
//! | `error`, `skipped` | a reject, with the row's comment |
//! | which rows | `rows.rs` |
//!
//! Limits: 200 rows an import set and 2 MiB (ServiceNow's advice for web services, below the 10 MB that an instance
//! takes), as many sets a minute as the instance lets pass (429). Idempotency key: `u_key`, on which the transform map
//! coalesces; `u_closing` rises with each state of a key, and the map ignores a row whose number is smaller than the
//! target's: import sets may overtake each other.
//!
//! Sources: ServiceNow, "Import Set API", "Table API", "Transform maps", "OAuth client credentials"; its users' experience
//! with `insertMultiple`.

mod import;
mod rows;
mod settings;

pub use settings::ServiceNow;
