//! Workbooks, looked into.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Read as _;

use proto::inventory::v1::{LicensePosition, User};

use super::*;
use crate::sink::format::{Encoding, Format};

fn encoding() -> Encoding {
    Encoding {
        format: Format::Xlsx,
        ..Encoding::default()
    }
}

/// Writes a part of records.
fn part(dir: &Path, name: &str, kind: &'static str, bodies: &[Body]) -> (&'static str, PathBuf) {
    let path = dir.join(name);
    let mut rows = encoding().begin(kind, &path).unwrap();
    for body in bodies {
        rows.row(&Row::Record(body)).unwrap();
    }
    rows.finish().unwrap();
    (kind, path)
}

fn user(id: &str, name: &str) -> Body {
    Body::User(Box::new(User {
        tenant_id: "t".into(),
        user_id: id.into(),
        display_name: Some(name.into()),
        ..User::default()
    }))
}

fn read(path: &Path, name: &str) -> String {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut text = String::new();
    archive
        .by_name(name)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn every_sheet_is_there_and_the_same_content_is_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let position = Body::LicensePosition(Box::new(LicensePosition {
        sku_id: "e5".into(),
        assigned: 7,
        consumed_units: 9,
        ..LicensePosition::default()
    }));
    let parts = [
        part(dir.path(), "p", "license_position", &[position]),
        part(dir.path(), "u", "user", &[user("u1", "=1+1 & <b>")]),
    ];
    let (one, two) = (dir.path().join("1.xlsx"), dir.path().join("2.xlsx"));
    let shows = Selection::default();
    assert_eq!(
        workbook(&shows, &parts, &one).unwrap(),
        workbook(&shows, &parts, &two).unwrap()
    );
    let book = read(&one, "xl/workbook.xml");
    for name in ["Position", "Findings", "Users", "Reconciliation"] {
        assert!(book.contains(&format!(r#"name="{name}""#)), "{book}");
    }
    let position = read(&one, "xl/worksheets/sheet1.xml");
    assert!(position.contains("<v>7</v>") && !position.contains("consumed_units"));
    assert!(position.contains(r#"state="frozen""#) && position.contains(r#"<autoFilter ref="A1:"#));
    let users = read(&one, "xl/worksheets/sheet3.xml");
    assert!(
        users.contains(r#"<t xml:space="preserve">=1+1 &amp; &lt;b&gt;</t>"#),
        "{users}"
    );
    assert!(!users.contains("<f>"));
    let reconciliation = read(&one, "xl/worksheets/sheet4.xml");
    for column in [
        "consumed_units",
        "residual",
        "unexplained",
        "reconciled",
        "<v>9</v>",
    ] {
        assert!(
            reconciliation.contains(column),
            "{column}: {reconciliation}"
        );
    }
}

#[test]
fn what_does_not_fit_on_a_sheet_goes_on_on_a_further_one() {
    let dir = tempfile::tempdir().unwrap();
    let users = |from: usize, to| {
        (from..to)
            .map(|n| user(&n.to_string(), "x"))
            .collect::<Vec<_>>()
    };
    let parts = [
        part(dir.path(), "a", "user", &users(0, 4)),
        part(dir.path(), "b", "user", &users(4, 5)),
    ];
    let shows = Selection {
        kinds: Some(vec!["user".into()]),
        ..Selection::default()
    };
    let path = dir.path().join("b.xlsx");
    workbook_of(&shows, &parts, &path, 3).unwrap();
    let book = read(&path, "xl/workbook.xml");
    assert_eq!(book.matches("<sheet ").count(), 3, "{book}");
    assert!(book.contains("Users (3)"));
    let rows: Vec<_> = (1..=3)
        .map(|n| {
            read(&path, &format!("xl/worksheets/sheet{n}.xml"))
                .matches("<row ")
                .count()
        })
        .collect();
    assert_eq!(rows, [3, 3, 2], "each with the row of names");
}
