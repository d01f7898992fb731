//! Words of a filter.

/// A word and where it starts, in characters.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kind {
    Word(String),
    /// A text in quotes; two quotes within it are one.
    Text(String),
    Open,
    Close,
    Comma,
    Colon,
}

/// Splits a filter; the error is what is wrong.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        at += 1;
        let kind = match c {
            c if c.is_whitespace() => continue,
            '(' => Kind::Open,
            ')' => Kind::Close,
            ',' => Kind::Comma,
            ':' => Kind::Colon,
            '\'' => Kind::Text(quoted(&chars, &mut at).ok_or_else(|| {
                format!("There is an unterminated string literal at position {start} in '{text}'.")
            })?),
            c if is_word(c, false) => {
                // A time of day has colons, a lambda's variable ends with one.
                let number = c.is_ascii_digit();
                while chars.get(at).is_some_and(|c| is_word(*c, number)) {
                    at += 1;
                }
                Kind::Word(chars.get(start..at).unwrap_or_default().iter().collect())
            }
            _ => {
                return Err(format!(
                    "Syntax error: character '{c}' is not valid at position {start} in '{text}'."
                ));
            }
        };
        tokens.push(Token { at: start, kind });
    }
    Ok(tokens)
}

fn is_word(c: char, number: bool) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '/' | '.' | '-') || (number && c == ':')
}

fn quoted(chars: &[char], at: &mut usize) -> Option<String> {
    let mut text = String::new();
    loop {
        let c = *chars.get(*at)?;
        *at += 1;
        if c != '\'' {
            text.push(c);
        } else if chars.get(*at) == Some(&'\'') {
            text.push('\'');
            *at += 1;
        } else {
            return Some(text);
        }
    }
}
