//! Microsoft's table, one row for each service plan of each product, as the operator has downloaded it.

use std::io::Read as _;

use csv::ByteRecord;
use runtime::Problem;
use runtime::error::Exit;
use sha2::{Digest as _, Sha256};

use super::{Table, Tables};
use crate::config::NamesFile;

/// The table has one megabyte; what is far longer is something else.
const LONGEST_FILE: u64 = 32 * 1024 * 1024;
/// Nobody can read a longer name; the longest of Microsoft's has 115 characters.
const LONGEST_NAME: usize = 200;

/// Reads, verifies and cleans the file.
pub(super) fn load(file: &NamesFile, known: &Tables) -> Result<Tables, Problem> {
    let path = file.file.display();
    let problem = |code, what: String, remedy| Problem::new(code, what, remedy).exit(Exit::Usage);
    let unread = |e| {
        let what = format!("the table of product names {path} can't be read.");
        problem("LW-5030", what, "check [normalizer.names] file").caused_by(e)
    };
    let mut bytes = Vec::new();
    std::fs::File::open(&file.file)
        .and_then(|f| f.take(LONGEST_FILE).read_to_end(&mut bytes))
        .map_err(unread)?;
    let hash: String = Sha256::digest(&bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    if !hash.eq_ignore_ascii_case(&file.sha256) {
        let what = format!(
            "the table of product names {path} is not the pinned one: its SHA-256 is {hash}."
        );
        let remedy = "look at what changed in it, then pin this hash in [normalizer.names] sha256";
        return Err(problem("LW-5031", what, remedy));
    }
    let tables = parse(&bytes).map_err(|why| {
        let what = format!("{path} is not Microsoft's table of product names: {why}.");
        let remedy = "download \"Product names and service plan identifiers for licensing\" as CSV";
        problem("LW-5032", what, remedy)
    })?;
    check(&tables, known).map_err(|why| {
        let what = format!("the table of product names {path} contradicts what is known: {why}.");
        let remedy =
            "download it again; if it is right, update Leastwise, which brings a newer list";
        problem("LW-5033", what, remedy)
    })?;
    Ok(tables)
}

/// The names in the table. Rows are taken by GUID and the last name of each counts, because Microsoft keeps old names
/// beside new ones; rows without a GUID or a name are left out.
fn parse(bytes: &[u8]) -> Result<Tables, String> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let header = reader
        .byte_headers()
        .map_err(|_| "it has no header".to_owned())?
        .clone();
    let column = |names: &[&str]| {
        let is = |field: &[u8]| {
            names
                .iter()
                .any(|n| n.as_bytes().eq_ignore_ascii_case(field))
        };
        header
            .iter()
            .position(is)
            .ok_or_else(|| format!("there is no column {}", names[0]))
    };
    let product = (column(&["GUID"])?, column(&["Product_Display_Name"])?);
    let plan = (
        column(&["Service_Plan_Id"])?,
        column(&[
            "Service_Plans_Included_Friendly_Names",
            "Service_Plan_Friendly_Name",
        ])?,
    );
    let mut tables = Tables::default();
    let mut row = ByteRecord::new();
    while reader
        .read_byte_record(&mut row)
        .map_err(|_| "it is no CSV".to_owned())?
    {
        put(&mut tables.products, &row, product);
        put(&mut tables.plans, &row, plan);
    }
    Ok(tables)
}

fn put(table: &mut Table, row: &ByteRecord, (id, name): (usize, usize)) {
    let field = |at| String::from_utf8_lossy(row.get(at).unwrap_or_default());
    let id = field(id).trim().to_ascii_lowercase();
    // Names are broken and padded in many ways, with no-break spaces among them.
    let name = field(name).split_whitespace().collect::<Vec<_>>().join(" ");
    if is_guid(&id) && !name.is_empty() && name.chars().count() <= LONGEST_NAME {
        table.insert(id, name);
    }
}

fn is_guid(id: &str) -> bool {
    let hyphen = |at| [8, 13, 18, 23].contains(&at);
    let fits = |(at, b): (usize, u8)| match hyphen(at) {
        true => b == b'-',
        false => b.is_ascii_hexdigit(),
    };
    id.len() == 36 && id.bytes().enumerate().all(fits)
}

/// Fails where most of what is known is missing or is called something else: Microsoft adds products and renames some,
/// never most of them at once.
fn check(new: &Tables, known: &Tables) -> Result<(), String> {
    for (what, new, known) in [
        ("products", &new.products, &known.products),
        ("service plans", &new.plans, &known.plans),
    ] {
        let both: Vec<_> = known
            .iter()
            .filter_map(|(id, name)| new.get(id).map(|n| (name, n)))
            .collect();
        if both.len() * 2 < known.len() {
            let (there, all) = (both.len(), known.len());
            return Err(format!("it has only {there} of {all} known {what}"));
        }
        let renamed = both
            .iter()
            .filter(|(a, b)| !a.eq_ignore_ascii_case(b))
            .count();
        if renamed * 4 > both.len() {
            let all = both.len();
            return Err(format!("{renamed} of {all} known {what} have other names"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
