//! What a remote system says about a record, without the record's content. Pure.

use super::people;

/// Shorter texts are parts of ordinary words: only where they stand alone are they what is meant.
const SHORTEST: usize = 4;

/// The longest text that is searched for: remote systems quote the beginning of what is longer, if at all.
const LONGEST: usize = 40;

/// The longest message that is kept.
const MESSAGE: usize = 300;

/// A message in which none of these values stands: reasons are stored and shown, and name fields, never their content.
pub(super) fn masked<'v>(message: &str, values: impl IntoIterator<Item = &'v str>) -> String {
    let mut values: Vec<_> = values
        .into_iter()
        .map(beginning)
        .filter(|v| v.chars().count() > 1)
        .collect();
    // A value may be a part of another one.
    values.sort_unstable_by_key(|v| std::cmp::Reverse(v.len()));
    let mut message = message.to_owned();
    for value in values {
        if value.chars().count() >= SHORTEST {
            message = message.replace(value, "…");
            continue;
        }
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let parts: Vec<_> = message.split_inclusive(|c| !word(c)).collect();
        let masked = parts.iter().map(|part| {
            let rest = part.trim_end_matches(|c| !word(c));
            if rest == value {
                part.replacen(value, "…", 1)
            } else {
                (*part).to_owned()
            }
        });
        message = masked.collect();
    }
    message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE)
        .collect()
}

fn beginning(value: &str) -> &str {
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => &value[..end],
        None => value,
    }
}

/// As much of a text as fits, in characters; what controls something is left out, and blanks around it.
pub(super) fn cut(text: &str, longest: usize) -> String {
    people::cut(text, longest).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_stand_in_messages() {
        let long = "x".repeat(100);
        assert_eq!(
            super::masked("Ann: Annotation, (Ann)", ["Ann"]),
            "…: Annotation, (…)"
        );
        let values = ["Ann", "Ann Lee", "ann.lee@contoso.example", &long];
        let message = format!("Ann Lee <ann.lee@contoso.example>:\nu_name {}", &long[..60]);
        let masked = masked(&message, values);
        assert_eq!(masked, format!("… <…>: u_name …{}", "x".repeat(20)));
        let long = super::masked(&"ä".repeat(1_000), []);
        assert_eq!(long.chars().count(), MESSAGE);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut(" Zoë\n \u{1f600}\u{1f600} ", 6), "Zoë \u{1f600}");
        assert_eq!(cut(&"a".repeat(2 << 20), 255).len(), 255);
    }
}
