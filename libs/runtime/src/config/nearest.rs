//! The known word that is nearest to an unknown one.

/// From serde's "unknown field `x`, expected one of `a`, `b`" (or "unknown variant"): the known one nearest to `x`.
pub(super) fn nearest(message: &str) -> Option<String> {
    let after = ["unknown field ", "unknown variant "]
        .iter()
        .find_map(|mark| message.split(mark).nth(1))?;
    let quoted: Vec<&str> = after
        .split(" for key ")
        .next()?
        .split('`')
        .skip(1)
        .step_by(2)
        .collect();
    let (unknown, known) = quoted.split_first()?;
    let best = closest(unknown, known)?;
    Some(format!(
        "did you mean `{best}`? Known here: {}",
        known.join(", ")
    ))
}

/// The word that takes the fewest keystrokes to correct.
pub(crate) fn closest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .min_by_key(|k| strsim::damerau_levenshtein(k, unknown))
        .copied()
}
