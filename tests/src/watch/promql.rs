//! As much of PromQL as is needed to ask whether what an expression reads exists.

/// A selector in an expression: a series, and the labels by which it chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The series' name.
    pub name: String,
    /// The labels' names.
    pub labels: Vec<String>,
}

impl Selector {
    /// An expression that has a value where there is such a series with these labels, whatever they are.
    pub fn exists(&self) -> String {
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|label| format!("{label}!=\"\""))
            .collect();
        format!("count({}{{{}}})", self.name, labels.join(","))
    }
}

/// What stands between names and is none.
const WORDS: [&str; 8] = [
    "and", "or", "unless", "bool", "offset", "by", "without", "on",
];
/// What a list of labels follows.
const LISTS: [&str; 5] = ["by", "without", "on", "ignoring", "group_left"];

/// The selectors of an expression. It must be one that Prometheus takes.
pub fn selectors(expression: &str) -> Vec<Selector> {
    let tokens = tokens(expression);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let (token, next) = (&tokens[at], tokens.get(at + 1).map(String::as_str));
        at += 1;
        if !token.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        if LISTS.contains(&token.as_str()) && next == Some("(") {
            at += tokens[at..].iter().take_while(|t| *t != ")").count();
        } else if ![Some("("), Some("by"), Some("without")].contains(&next)
            && !WORDS.contains(&token.as_str())
        {
            let mut labels = Vec::new();
            if next == Some("{") {
                let inside: Vec<_> = tokens[at + 1..].iter().take_while(|t| *t != "}").collect();
                let before =
                    |i: usize| inside.get(i + 1).is_some_and(|t| t.starts_with(['=', '!']));
                let names = inside.iter().enumerate().filter(|(i, _)| before(*i));
                labels.extend(names.map(|(_, name)| (*name).clone()));
                at += inside.len() + 1;
            }
            found.push(Selector {
                name: token.clone(),
                labels,
            });
        }
    }
    found
}

/// Names, texts, operators; of durations and numbers nothing.
fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => 2 + rest[1..].find('"').unwrap_or(rest.len() - 2),
            '[' => 1 + rest.find(']').unwrap_or(rest.len() - 1),
            '=' | '!' | '>' | '<' => rest
                .find(|c: char| !"=!~<>".contains(c))
                .unwrap_or(rest.len()),
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let part = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
                rest.find(|c: char| !part(c)).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if !token.trim().is_empty() && !token.starts_with('[') {
            tokens.push(token.to_owned());
        }
        rest = after;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_expression_reads_is_found() {
        let all = selectors(
            "histogram_quantile(0.9, sum by (le, a_b) (rate(x:y_bucket{service=\"a, b\",code=~\"2..\"}[5m]))) > bool 1e3\n\
             or absent(up{job=\"j\"}) unless on (tenant) other offset 5m",
        );
        let names: Vec<_> = all
            .iter()
            .map(|s| (s.name.as_str(), s.labels.join(",")))
            .collect();
        let expected = [("x:y_bucket", "service,code"), ("up", "job"), ("other", "")];
        assert_eq!(names, expected.map(|(n, l)| (n, l.to_owned())));
        assert_eq!(
            all[0].exists(),
            "count(x:y_bucket{service!=\"\",code!=\"\"})"
        );
    }
}
