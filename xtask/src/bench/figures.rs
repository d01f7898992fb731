//! Named numbers by case, and how they are shown.

use std::collections::BTreeMap;

use serde::Serialize;

/// One run of one case: what was measured, by name. The name ends with the unit.
pub type Sample = BTreeMap<String, f64>;

/// The medians of all cases of a bench.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub struct Figures(BTreeMap<String, Sample>);

impl Figures {
    /// Adds a case as the median of its runs, figure by figure.
    pub fn add(&mut self, case: String, runs: &[Sample]) {
        let mut values: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
        for (name, value) in runs.iter().flatten() {
            values.entry(name).or_default().push(*value);
        }
        let medians = values
            .into_iter()
            .map(|(name, values)| (name.clone(), median(values)));
        self.0.insert(case, medians.collect());
    }

    /// Adds figures that belong to a case and are measured once.
    pub fn extend(&mut self, case: &str, more: Sample) {
        self.0.entry(case.to_owned()).or_default().extend(more);
    }

    /// The medians of one case.
    pub fn of(&self, case: &str) -> Option<&Sample> {
        self.0.get(case)
    }

    /// A row for each figure, a column for each case.
    pub fn table(&self) -> String {
        let names: std::collections::BTreeSet<_> =
            self.0.values().flat_map(BTreeMap::keys).collect();
        let mut rows = vec![self.0.keys().cloned().collect::<Vec<_>>()];
        let cell = |sample: &Sample, name| {
            sample
                .get(name)
                .map_or("-".to_owned(), |value| match value.abs() < 0.1 {
                    true => format!("{value:.4}"),
                    false => format!("{value:.2}"),
                })
        };
        rows.extend(
            names
                .iter()
                .map(|name| self.0.values().map(|sample| cell(sample, *name)).collect()),
        );
        let heads = std::iter::once("median").chain(names.iter().map(|name| name.as_str()));
        let lines = heads.zip(rows).map(|(head, cells)| {
            let cells: String = cells.iter().map(|cell| format!(" {cell:>16}")).collect();
            format!("{head:<28}{cells}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The middle one; of an even number the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(below), values.get(above)) {
        (Some(below), Some(above)) => (below + above) / 2.0,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_figure_that_one_case_lacks_is_a_dash() {
        let mut figures = Figures::default();
        figures.add(
            "small".into(),
            &[
                Sample::from([("wall_s".into(), 1.0)]),
                Sample::from([("wall_s".into(), 3.0)]),
            ],
        );
        figures.add("large".into(), &[Sample::from([("peak_mib".into(), 5.0)])]);
        let table = figures.table();
        let rows: Vec<Vec<_>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows,
            [
                vec!["median", "large", "small"],
                vec!["peak_mib", "5.00", "-"],
                vec!["wall_s", "-", "2.00"]
            ]
        );
    }
}
