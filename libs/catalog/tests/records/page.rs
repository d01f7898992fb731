//! docs/records.md.

use std::fmt::Write as _;

use prost_types::field_descriptor_proto::Type;

use crate::message::{Field, Message, Messages};
use crate::reference::Kind;

const HEAD: &str = "# Records

Written by `cargo xtask records` from the contracts (`proto/proto/leastwise/inventory/v1`) and the declarations of the
datasets (`libs/catalog`): change those.

The ledger holds records of these kinds, one for each object that Microsoft Graph sent, and sinks show them: the files sink a
file of lines for each kind, in JSON as [schema](schema) describes it. Every field is written. What is absent, null or empty
at Graph's is `null`, an empty list, or 0 where the type is a number; the year 1 counts as absent. Ids are in lower case, lists
are sorted, moments are in UTC. Values that are not documented pass as they are, and properties and values that this release
doesn't know are counted (`unfamiliar` of `leastwise runs list`). What is not as documented, for example a date that is none or
a negative number of units, is set aside with its reason, and the record stays as it was.

A dataset costs its least permission; which ones are read, and which other permissions suffice, tells
[tenant.md](tenant.md).

";

const USAGE: &str = "## Usage reports

Each row is a record of the kind of its report. Columns are found by their names, so their order is free, and one that is
new comes into `values`; new and missing columns are counted (`unfamiliar`).

What a row is worth is its quality:

- *exact*: `concealed` is false. Only such a row may be matched with a user, by `userId` or else by `subject`.
- *concealed*: `concealed` is true; `report_settings.displayConcealedNames` tells that the tenant wants it so. Its figures
  count in sums, never for a person.
- *missing permission*: the dataset is skipped, as `leastwise status` shows, and there are no rows.
- *stale*: `reportRefreshDate` is older than a few days. Reports are always one to three days behind.

Blank is not never: a report without a `lastActivityDate` knows of no use, in the window and before it as far as it
remembers. The window is `reportPeriod`, 180 days unless the table says otherwise.

";

/// The page.
pub fn page(kinds: &[Kind<'_>], all: &Messages) -> String {
    let mut out = HEAD.to_owned();
    out +=
        "| kind | dataset | least permission | read unless told otherwise |\n|---|---|---|---|\n";
    for kind in kinds {
        let (dataset, needs, default) = source(kind);
        let link = anchor(kind);
        let _ = writeln!(
            out,
            "| [`{}`](#{link}) | {dataset} | {needs} | {default} |",
            kind.name
        );
    }
    let (reports, others): (Vec<&Kind<'_>>, Vec<&Kind<'_>>) =
        kinds.iter().partition(|kind| is_report(kind));
    for kind in others {
        let _ = write!(out, "\n## `{}`\n\n{}\n", kind.name, kind.message.comment);
        if let Some(licence) = kind.dataset.and_then(|d| d.licence) {
            let _ = writeln!(out, "The tenant needs {licence} for it.");
        }
        tables(&mut out, kind.message, Some(kind), all);
    }
    out.push('\n');
    out += USAGE;
    out += "| kind | report | what for |\n|---|---|---|\n";
    for kind in &reports {
        if let Some(dataset) = kind.dataset {
            let report = dataset.path.rsplit('/').next().unwrap_or_default();
            let _ = writeln!(out, "| `{}` | `{report}` | {} |", kind.name, dataset.reason);
        }
    }
    if let Some(kind) = reports.first() {
        let _ = write!(out, "\n{}\n", kind.message.comment);
        tables(&mut out, kind.message, Some(kind), all);
    }
    out
}

fn is_report(kind: &Kind<'_>) -> bool {
    kind.message.name == "Usage"
}

fn anchor(kind: &Kind<'_>) -> &'static str {
    match is_report(kind) {
        true => "usage-reports",
        false => kind.name,
    }
}

fn source(kind: &Kind<'_>) -> (String, String, &'static str) {
    let Some(dataset) = kind.dataset else {
        return ("derived".to_owned(), "none of its own".to_owned(), "yes");
    };
    let needs = dataset.needs.iter().map(|need| format!("`{}`", need.least));
    let needs = needs.collect::<Vec<_>>().join(" and ");
    let default = if dataset.default { "yes" } else { "no" };
    (format!("`{}`", dataset.name), needs, default)
}

/// The fields of a message, and then those of the messages in it.
fn tables(out: &mut String, message: &Message, kind: Option<&Kind<'_>>, all: &Messages) {
    *out += "\n| field | type | meaning | unit | Graph |\n|---|---|---|---|---|\n";
    for field in &message.fields {
        let property = field.property(kind.and_then(|k| k.dataset));
        let property = property.map_or_else(String::new, |p| match p.contains(' ') {
            true => p,
            false => format!("`{p}`"),
        });
        let (name, meaning) = (&field.name, &field.meaning);
        let unit = field.unit.as_deref().unwrap_or_default();
        let _ = writeln!(
            out,
            "| `{name}` | {} | {meaning} | {unit} | {property} |",
            type_of(field)
        );
    }
    for field in &message.fields {
        if let Some(inner) = all.get(&field.message) {
            let _ = write!(out, "\n`{}`: {}\n", field.name, inner.comment);
            tables(out, inner, kind, all);
        }
    }
}

fn type_of(field: &Field) -> String {
    let says = |what: &str| field.meaning.contains(what);
    let one = match field.kind {
        Type::Message => "object",
        Type::Bool => "true or false",
        Type::String if says("RFC 3339") => "moment",
        Type::String if says("YYYY-MM-DD") => "day",
        Type::String => "text",
        _ => "number",
    };
    match (field.repeated, field.optional) {
        (true, _) => format!("list of {one}"),
        (_, true) => format!("{one} or null"),
        _ => one.to_owned(),
    }
}
