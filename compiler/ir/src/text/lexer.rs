//! Tokens of the text form.

use crate::diag::Diagnostic;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A bare word, `f32` or `matmul`.
    Word(String),
    /// A number as written, with its sign.
    Number(String),
    /// A quoted string, unescaped.
    Text(String),
    /// `%12`
    Value(u32),
    /// `@3`
    Weight(u32),
    /// `->`-free punctuation: one of `( ) { } [ ] , : = + * ~ -` and `..`, `==`, `<=`.
    Mark(&'static str),
    /// End of the text.
    End,
}

/// A token with its place.
#[derive(Clone, Debug)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) line: usize,
    pub(super) column: usize,
}

const MARKS: &[&str] = &["..", "==", "<=", "(", ")", "{", "}", "[", "]", ",", ":", "=", "+", "*", "~", "-"];

/// Splits the text into tokens; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, Diagnostic> {
    let mut found = Vec::new();
    for (index, line_text) in text.lines().enumerate() {
        let line = index + 1;
        let mut rest = line_text;
        loop {
            rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with("//") {
                break;
            }
            let column = line_text.len() - rest.len() + 1;
            let (token, length) = one_token(rest)
                .ok_or_else(|| Diagnostic::invalid(format!("line {line}, column {column}: cannot read {rest:?}")))?;
            found.push(Spanned { token, line, column });
            rest = &rest[length..];
        }
    }
    let line = text.lines().count() + 1;
    found.push(Spanned { token: Token::End, line, column: 1 });
    Ok(found)
}

fn one_token(rest: &str) -> Option<(Token, usize)> {
    let first = rest.chars().next()?;
    if first == '"' {
        return quoted(rest);
    }
    if first == '%' || first == '@' {
        let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 1);
        let number = rest[1..1 + digits].parse().ok()?;
        return Some((if first == '%' { Token::Value(number) } else { Token::Weight(number) }, digits + 1));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        return Some((Token::Word(rest[..end].to_owned()), end));
    }
    if first.is_ascii_digit() {
        return Some(number(rest));
    }
    MARKS.iter().find(|mark| rest.starts_with(**mark)).map(|mark| (Token::Mark(mark), mark.len()))
}

/// An unsigned number: digits (hexadecimal ones too, for hashes), a fraction unless `..` follows, an exponent.
fn number(rest: &str) -> (Token, usize) {
    let bytes = rest.as_bytes();
    let mut end = 0;
    while end < bytes.len() {
        let c = bytes[end];
        let is_range = c == b'.' && bytes.get(end + 1) == Some(&b'.');
        let is_signed_exponent = (c == b'-' || c == b'+') && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
        if !(c.is_ascii_alphanumeric() || (c == b'.' && !is_range) || is_signed_exponent) {
            break;
        }
        end += 1;
    }
    (Token::Number(rest[..end].to_owned()), end)
}

/// A string in the escapes of Rust's `{:?}`.
fn quoted(rest: &str) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Token::Text(text), at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                '0' => text.push('\0'),
                'u' => {
                    let mut code = 0u32;
                    chars.next().filter(|(_, c)| *c == '{')?;
                    loop {
                        match chars.next()?.1 {
                            '}' => break,
                            digit => code = code.checked_mul(16)?.checked_add(digit.to_digit(16)?)?,
                        }
                    }
                    text.push(char::from_u32(code)?);
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    None
}
