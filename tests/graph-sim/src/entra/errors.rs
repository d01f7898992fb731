//! All AADSTS numbers that trouble and faults can ask for: `data/aadsts.tsv`.

use super::refusal::Refusal;

const TABLE: &str = include_str!("../../data/aadsts.tsv");

/// The refusal with this number; none if the table has none.
pub(crate) fn refusal(code: u32) -> Option<Refusal> {
    let mut rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    rows.find_map(|row| {
        let mut cells = row.split('\t');
        let mut cell = || cells.next().unwrap_or_default();
        if cell().parse() != Ok(code) {
            return None;
        }
        let status = cell().parse().ok()?;
        let (error, suberror, message) = (cell(), cell(), cell());
        let refusal = Refusal::new(status, error, code, message);
        Some(match suberror {
            "" => refusal,
            said => refusal.suberror(said),
        })
    })
}

/// The number in `AADSTS7000222`, or just the number.
pub(crate) fn number(text: &str) -> Option<u32> {
    text.strip_prefix("AADSTS").unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_good() {
        let rows: Vec<&str> = TABLE.lines().filter(|l| !l.starts_with('#')).collect();
        assert!(rows.len() > 100);
        for row in rows {
            let code = number(row.split('\t').next().unwrap()).unwrap();
            let refusal = refusal(code).unwrap();
            assert!((400..600).contains(&refusal.status), "{row}");
            assert!(refusal.message.ends_with(['.', ']']), "{row}");
        }
        assert!(refusal(1).is_none());
        assert_eq!(number("AADSTS50196"), Some(50_196));
    }
}
