//! The grammar of a filter: `or` binds less than `and`, `and` less than `not`.

use super::lex::{Kind, Token, tokens};
use super::{Expr, Function, Literal, Op};
use crate::guid;
use crate::reply::Failure;

/// Brackets within brackets; more would only serve to exhaust the stack.
const DEEPEST: usize = 32;

pub(super) fn filter(text: &str) -> Result<Expr, Failure> {
    let tokens = tokens(text).map_err(|e| invalid(&e))?;
    let mut parser = Parser {
        text,
        tokens: &tokens,
        at: 0,
        depth: 0,
        variable: None,
    };
    let expr = parser.or()?;
    if parser.at < tokens.len() {
        return Err(parser.wrong());
    }
    Ok(expr)
}

fn invalid(what: &str) -> Failure {
    Failure::new(400, "BadRequest", format!("Invalid filter clause: {what}"))
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    /// The variable of the lambda that is being read.
    variable: Option<String>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|t| &t.kind)
    }

    fn word(&self) -> Option<&str> {
        match self.peek() {
            Some(Kind::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn takes(&mut self, kind: &Kind) -> bool {
        let there = self.peek() == Some(kind);
        self.at += usize::from(there);
        there
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let there = self.word().is_some_and(|w| w.eq_ignore_ascii_case(word));
        self.at += usize::from(there);
        there
    }

    fn wants(&mut self, kind: &Kind) -> Result<(), Failure> {
        if self.takes(kind) {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    fn wrong(&self) -> Failure {
        let end = self.text.chars().count();
        let at = self.tokens.get(self.at).map_or(end, |t| t.at);
        invalid(&format!(
            "Syntax error at position {at} in '{}'.",
            self.text
        ))
    }

    fn or(&mut self) -> Result<Expr, Failure> {
        self.chain("or", Self::and, Expr::Or)
    }

    fn and(&mut self) -> Result<Expr, Failure> {
        self.chain("and", Self::unary, Expr::And)
    }

    fn chain(
        &mut self,
        word: &str,
        part: impl Fn(&mut Self) -> Result<Expr, Failure>,
        join: impl Fn(Vec<Expr>) -> Expr,
    ) -> Result<Expr, Failure> {
        let mut parts = vec![part(self)?];
        while self.takes_word(word) {
            parts.push(part(self)?);
        }
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            last => {
                parts.extend(last);
                Ok(join(parts))
            }
        }
    }

    fn unary(&mut self) -> Result<Expr, Failure> {
        if self.depth >= DEEPEST {
            return Err(invalid(
                "The query is too complex: recursion limit reached.",
            ));
        }
        self.depth += 1;
        let expr = if self.takes_word("not") {
            Expr::Not(Box::new(self.unary()?))
        } else if self.takes(&Kind::Open) {
            let inner = self.or()?;
            self.wants(&Kind::Close)?;
            inner
        } else {
            self.predicate()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn predicate(&mut self) -> Result<Expr, Failure> {
        let name = self.word().ok_or_else(|| self.wrong())?.to_owned();
        self.at += 1;
        if self.takes(&Kind::Open) {
            return match name.rsplit_once('/') {
                Some((collection, "any")) => self.any(collection),
                Some((_, lambda)) => Err(unsupported(lambda)),
                None => self.call(&name),
            };
        }
        if self.takes_word("in") {
            return self.list(name);
        }
        let op = self
            .word()
            .and_then(Op::parse)
            .ok_or_else(|| self.wrong())?;
        self.at += 1;
        let value = self.literal()?;
        if let Some(collection) = name.strip_suffix("/$count") {
            let Literal::Number(number) = value else {
                return Err(self.wrong());
            };
            return Ok(Expr::Count(collection.to_owned(), op, number));
        }
        Ok(Expr::Compare(self.path(name)?, op, value))
    }

    /// A property; within a lambda relative to its variable.
    fn path(&self, name: String) -> Result<String, Failure> {
        let Some(variable) = &self.variable else {
            return Ok(name);
        };
        match name.strip_prefix(variable.as_str()) {
            Some("") => Ok(String::new()),
            Some(rest) if rest.starts_with('/') => Ok(rest.trim_start_matches('/').to_owned()),
            _ => Err(invalid(&format!(
                "Could not find a property named '{name}' in the scope of 'any'."
            ))),
        }
    }

    fn any(&mut self, collection: &str) -> Result<Expr, Failure> {
        let collection = self.path(collection.to_owned())?;
        if self.takes(&Kind::Close) {
            return Ok(Expr::Any(collection, None));
        }
        if self.variable.is_some() {
            return Err(unsupported("any"));
        }
        self.variable = Some(self.word().ok_or_else(|| self.wrong())?.to_owned());
        self.at += 1;
        self.wants(&Kind::Colon)?;
        let inner = self.or()?;
        self.wants(&Kind::Close)?;
        self.variable = None;
        Ok(Expr::Any(collection, Some(Box::new(inner))))
    }

    fn call(&mut self, name: &str) -> Result<Expr, Failure> {
        let function = match name.to_ascii_lowercase().as_str() {
            "startswith" => Function::StartsWith,
            "endswith" => Function::EndsWith,
            "contains" => Function::Contains,
            _ => {
                return Err(invalid(&format!(
                    "An unknown function with name '{name}' was found."
                )));
            }
        };
        let property = self.word().ok_or_else(|| self.wrong())?.to_owned();
        self.at += 1;
        let property = self.path(property)?;
        self.wants(&Kind::Comma)?;
        let Literal::Text(text) = self.literal()? else {
            return Err(invalid(&format!(
                "No function signature for the function with name '{name}' matches the specified arguments."
            )));
        };
        self.wants(&Kind::Close)?;
        let call = Expr::Call(function, property, text);
        // `startsWith(…) eq true` is the same as without.
        match self.word().and_then(Op::parse) {
            None => Ok(call),
            Some(op) => {
                self.at += 1;
                match (op, self.literal()?) {
                    (Op::Eq, Literal::Bool(true)) | (Op::Ne, Literal::Bool(false)) => Ok(call),
                    (Op::Eq, Literal::Bool(false)) | (Op::Ne, Literal::Bool(true)) => {
                        Ok(Expr::Not(Box::new(call)))
                    }
                    _ => Err(self.wrong()),
                }
            }
        }
    }

    fn list(&mut self, name: String) -> Result<Expr, Failure> {
        self.wants(&Kind::Open)?;
        let mut values = vec![self.literal()?];
        while self.takes(&Kind::Comma) {
            values.push(self.literal()?);
        }
        self.wants(&Kind::Close)?;
        Ok(Expr::In(self.path(name)?, values))
    }

    fn literal(&mut self) -> Result<Literal, Failure> {
        let literal = match self.peek() {
            Some(Kind::Text(text)) => Literal::Text(text.to_lowercase()),
            Some(Kind::Word(word)) => match word.as_str() {
                "null" => Literal::Null,
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                _ => plain(word).ok_or_else(|| self.wrong())?,
            },
            _ => return Err(self.wrong()),
        };
        self.at += 1;
        Ok(literal)
    }
}

fn unsupported(what: &str) -> Failure {
    Failure::unsupported(format!(
        "Unsupported Query. '{what}' is not supported here."
    ))
}

/// A number, a GUID or a time, all without quotes.
fn plain(word: &str) -> Option<Literal> {
    if let Some(guid) = guid::parse(word) {
        return Some(Literal::Guid(guid::text(guid)));
    }
    if let Ok(number) = word.parse() {
        return Some(Literal::Number(number));
    }
    time(word).map(Literal::Time)
}

/// `2026-11-22T00:00:00Z`, with a fraction or without; a date alone is its midnight.
fn time(word: &str) -> Option<String> {
    let (date, clock) = word.split_once('T').unwrap_or((word, "00:00:00Z"));
    let clock = clock.strip_suffix('Z')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let digits = |text: &str, lengths: &[usize], separator: char| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.len() == lengths.len()
            && parts.iter().zip(lengths).all(|(part, length)| {
                part.len() == *length && part.bytes().all(|b| b.is_ascii_digit())
            })
    };
    let good = digits(date, &[4, 2, 2], '-')
        && digits(clock, &[2, 2, 2], ':')
        && fraction.bytes().all(|b| b.is_ascii_digit());
    good.then(|| format!("{date}T{clock}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filters_are_read() {
        let compare = |name: &str, op, value| Expr::Compare(name.into(), op, value);
        let text = |t: &str| Literal::Text(t.into());
        assert_eq!(
            filter("userPrincipalName ge 'A' and userPrincipalName lt 'o''b'").unwrap(),
            Expr::And(vec![
                compare("userPrincipalName", Op::Ge, text("a")),
                compare("userPrincipalName", Op::Lt, text("o'b")),
            ])
        );
        assert_eq!(
            filter("a eq 1 or b eq 2 and not(c eq null)").unwrap(),
            Expr::Or(vec![
                compare("a", Op::Eq, Literal::Number(1)),
                Expr::And(vec![
                    compare("b", Op::Eq, Literal::Number(2)),
                    Expr::Not(Box::new(compare("c", Op::Eq, Literal::Null))),
                ]),
            ])
        );
        assert_eq!(
            filter("assignedLicenses/any(x:x/skuId eq 05E9A617-0261-4CEE-BB44-138D3EF5D965)")
                .unwrap(),
            Expr::Any(
                "assignedLicenses".into(),
                Some(Box::new(compare(
                    "skuId",
                    Op::Eq,
                    Literal::Guid("05e9a617-0261-4cee-bb44-138d3ef5d965".into())
                )))
            )
        );
        assert_eq!(
            filter("createdDateTime ge 2026-11-22T00:00:00.5Z").unwrap(),
            compare(
                "createdDateTime",
                Op::Ge,
                Literal::Time("2026-11-22T00:00:00Z".into())
            )
        );
        assert_eq!(
            filter("startsWith(mail,'a') eq false").unwrap(),
            Expr::Not(Box::new(Expr::Call(
                Function::StartsWith,
                "mail".into(),
                "a".into()
            )))
        );
        assert_eq!(
            filter("id in('a', 'b')").unwrap().ids(),
            Some(vec!["a", "b"])
        );
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let deep = format!("{}a eq 1{}", "(".repeat(100), ")".repeat(100));
        for wrong in [
            "",
            "id",
            "id eq",
            "id in",
            "id in (",
            "id in ()",
            "idin ('x')",
            "id eq x",
            "id eq 'x",
            "id eq 'x' and",
            "(id eq 'x'",
            "id eq 'x')",
            "startsWith(mail)",
            "startsWith(mail,1)",
            "length(mail) eq 3",
            "a/any(x:y/b eq 1)",
            "a/any(x:x/b/any(y:y eq 1))",
            "a/all(x:x eq 1)",
            "id eq 2026-11-2",
            "a/$count eq 'x'",
            "id ~ 'x'",
            &deep,
        ] {
            assert_eq!(filter(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in ".{0,80}") {
            let _ = filter(&text);
        }

        #[test]
        fn texts_near_a_filter_are_taken(words in prop::collection::vec("(a|eq|in|not|and|or|'x'|\\(|\\)|,|:|/any|1|null| )", 0..30)) {
            let _ = filter(&words.concat());
        }
    }
}
