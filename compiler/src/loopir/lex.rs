//! Tokens of the text form.

use std::fmt;

/// Why a text is not a program, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    /// Name or word.
    Word(String),
    /// `%name`, `$name`, `@name`.
    Sigil(char, String),
    /// Integer literal with its suffix.
    Int(u64, String),
    /// Float literal text with its suffix.
    Float(String, String),
    /// Operator or punctuation.
    Punct(&'static str),
    End,
}

impl Token {
    pub(super) fn describe(&self) -> String {
        match self {
            Token::Word(w) => format!("`{w}`"),
            Token::Sigil(c, w) => format!("`{c}{w}`"),
            Token::Int(v, suffix) => format!("`{v}{suffix}`"),
            Token::Float(v, suffix) => format!("`{v}{suffix}`"),
            Token::Punct(p) => format!("`{p}`"),
            Token::End => "the end of the text".to_owned(),
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Longest first.
const PUNCTUATION: &[&str] = &[
    "->", "..", "==", "!=", "<=", ">=", "<<", ">>", "{", "}", "(", ")", "[", "]", ",", ":", "=", "<", ">", "+", "-",
    "*", "/", "&", "|", "^",
];

/// Splits a text; `//` comments run to the end of the line.
pub(super) fn lex(text: &str) -> Result<Vec<(Token, Position)>, ParseError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut i, mut line, mut start_of_line) = (0, 1u32, 0);
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let word_from = |start: usize| {
        let mut end = start;
        while at(end).is_ascii_alphanumeric() || at(end) == '_' || at(end) == '.' && at(end + 1) != '.' {
            end += 1;
        }
        end
    };
    loop {
        let c = at(i);
        if c == '\n' {
            line += 1;
            start_of_line = i + 1;
        }
        let position = Position { line, column: (i - start_of_line.min(i)) as u32 + 1 };
        let error = |message: String| ParseError { line: position.line, column: position.column, message };
        if i >= chars.len() {
            tokens.push((Token::End, position));
            return Ok(tokens);
        }
        if c.is_whitespace() {
            i += 1;
        } else if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c.is_ascii_alphabetic() || c == '_' {
            let end = word_from(i);
            tokens.push((Token::Word(chars[i..end].iter().collect()), position));
            i = end;
        } else if matches!(c, '%' | '$' | '@') {
            let end = word_from(i + 1);
            if end == i + 1 {
                return Err(error(format!("a name must follow `{c}`")));
            }
            tokens.push((Token::Sigil(c, chars[i + 1..end].iter().collect()), position));
            i = end;
        } else if c.is_ascii_digit() {
            let (token, end) = number(&chars, i).map_err(error)?;
            tokens.push((token, position));
            i = end;
        } else {
            let found = PUNCTUATION.iter().find(|p| p.chars().enumerate().all(|(k, pc)| at(i + k) == pc));
            let Some(p) = found else {
                return Err(error(format!("unexpected character {c:?}")));
            };
            tokens.push((Token::Punct(p), position));
            i += p.len();
        }
    }
}

fn number(chars: &[char], start: usize) -> Result<(Token, usize), String> {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut i = start;
    if at(i) == '0' && at(i + 1) == 'x' {
        i += 2;
        let digits_start = i;
        while at(i).is_ascii_hexdigit() {
            i += 1;
        }
        let digits: String = chars[digits_start..i].iter().collect();
        let value = u64::from_str_radix(&digits, 16).map_err(|_| "not a 64-bit hexadecimal number".to_owned())?;
        return Ok((Token::Int(value, String::new()), i));
    }
    while at(i).is_ascii_digit() {
        i += 1;
    }
    let mut float = false;
    if at(i) == '.' && at(i + 1).is_ascii_digit() {
        float = true;
        i += 1;
        while at(i).is_ascii_digit() {
            i += 1;
        }
    }
    let signed = matches!(at(i + 1), '+' | '-');
    if at(i) == 'e' && (at(i + 1).is_ascii_digit() || signed && at(i + 2).is_ascii_digit()) {
        float = true;
        i += if signed { 2 } else { 1 };
        while at(i).is_ascii_digit() {
            i += 1;
        }
    }
    let digits: String = chars[start..i].iter().collect();
    let suffix_start = i;
    while at(i).is_ascii_alphanumeric() || at(i) == '_' {
        i += 1;
    }
    let suffix: String = chars[suffix_start..i].iter().collect();
    if float || suffix.starts_with('f') {
        return Ok((Token::Float(digits, suffix), i));
    }
    let value = digits.parse().map_err(|_| "integer does not fit 64 bits".to_owned())?;
    Ok((Token::Int(value, suffix), i))
}
