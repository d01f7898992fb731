//! Each alert has its page and each page its alert, and what a page says to type exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use tests::process::{SERVICES, built};
use tests::watch::{alerts, workspace};

/// The pages by name, without the list of them.
fn pages() -> BTreeMap<String, String> {
    let files = fs::read_dir(workspace("docs/runbook")).unwrap();
    let pages = files.filter_map(|file| {
        let path = file.unwrap().path();
        let name = path.file_stem()?.to_str()?.to_owned();
        (name != "README").then(|| (name, fs::read_to_string(&path).unwrap()))
    });
    pages.collect()
}

#[test]
fn each_alert_has_its_page_and_each_page_its_alert() {
    let pages = pages();
    let alerts: BTreeSet<_> = alerts().unwrap().into_iter().collect();
    assert!(alerts.len() > 30, "{alerts:?}");
    assert_eq!(pages.keys().cloned().collect::<BTreeSet<_>>(), alerts);
    let list = fs::read_to_string(workspace("docs/runbook/README.md")).unwrap();
    for (name, page) in &pages {
        assert!(
            list.contains(&format!("({name}.md)")),
            "{name} is not in the list"
        );
        let mut rest = page.as_str();
        for part in [
            &format!("# {name}\n")[..],
            "## Meaning",
            "## Impact",
            "## First look",
            "## Actions",
        ] {
            let found = rest.split_once(part);
            rest = found
                .unwrap_or_else(|| panic!("{name}: {part:?} is missing"))
                .1;
        }
        for link in page
            .split("](")
            .skip(1)
            .filter_map(|l| l.split([')', '#']).next())
        {
            let target = workspace("docs/runbook").join(link);
            assert!(target.exists(), "{name}: {link} leads nowhere");
        }
    }
}

/// What a person would type: in blocks, and in the text where it begins with a program's name.
fn typed(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for (n, part) in page.split("```").enumerate() {
        let lines: Vec<&str> = match n % 2 {
            1 => part.lines().skip(1).map(str::trim).collect(),
            _ => part.split('`').skip(1).step_by(2).collect(),
        };
        let ours = lines.into_iter().filter(|line| {
            let program = line.split(' ').next().unwrap_or_default();
            line.contains(' ') && (program == "leastwise" || SERVICES.contains(&program))
        });
        commands.extend(ours.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    commands
}

/// The program with its subcommands, and the options behind.
fn parts(command: &str) -> (Vec<&str>, Vec<&str>) {
    let words: Vec<&str> = command.split(' ').collect();
    let word =
        |w: &&&str| w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !w.starts_with('-');
    let path: Vec<&str> = words.iter().take_while(word).copied().collect();
    let options = words.iter().filter(|w| w.starts_with("--")).copied();
    (path, options.collect())
}

#[test]
fn every_command_exists_with_its_options() {
    let programs = built();
    let mut help = BTreeMap::new();
    let mut count = 0;
    for (name, page) in pages() {
        for command in typed(&page) {
            let (path, options) = parts(&command);
            let text = help.entry(path.join(" ")).or_insert_with(|| {
                let asked = Command::new(programs.join(path[0]))
                    .args(&path[1..])
                    .arg("--help")
                    .output()
                    .unwrap();
                let text = String::from_utf8_lossy(&asked.stdout).into_owned();
                assert!(asked.status.success(), "{name}: {command}: {asked:?}");
                let usage = text
                    .lines()
                    .find(|l| l.starts_with("Usage: "))
                    .unwrap_or_default()
                    .to_owned();
                // The last word may be what an argument is given.
                let (last, before) = (path[path.len() - 1], path[path.len().saturating_sub(2)]);
                let taken = usage.contains(&format!("{before} [OPTIONS] <"));
                assert!(usage.contains(last) || taken, "{name}: {command}: {usage}");
                text
            });
            for option in options {
                assert!(text.contains(option), "{name}: {command} has no {option}");
            }
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}
