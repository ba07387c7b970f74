//! Cuts SQL into the pieces that matter to placeholders. All pieces together are the text.

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `%s`, with no name or number going on after it.
    Mark,
    /// `$` and digits.
    Number,
    /// `%%`.
    DoublePercent,
    /// A literal in quotes or dollar quotes, or a name in quotes.
    Quoted,
    /// A comment, to the end of its line or to its `*/`.
    Comment,
    /// Anything else: a word, a number, one character of an operator, space.
    Other,
}

/// The pieces of a text, in order.
pub(super) struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(sql: &'a str) -> Self {
        Self { rest: sql }
    }
}

/// Whether a byte may begin a name. Bytes of anything beyond ASCII may.
fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

/// Whether a byte may stand within a name.
pub(super) fn continues_name(byte: u8) -> bool {
    begins_name(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl<'a> Iterator for Lexer<'a> {
    type Item = (Kind, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.rest.as_bytes();
        let at = |index: usize| bytes.get(index).copied();
        let run = |from: usize, belongs: fn(u8) -> bool| {
            from + bytes[from..].iter().take_while(|byte| belongs(**byte)).count()
        };
        let first = at(0)?;
        let (kind, length) = match first {
            b'\'' => (Kind::Quoted, end_of_quotes(bytes, 0, false)),
            b'"' => (Kind::Quoted, end_of_quotes(bytes, 0, false)),
            b'e' | b'E' if at(1) == Some(b'\'') => (Kind::Quoted, end_of_escaped(bytes)),
            b'-' if at(1) == Some(b'-') => (Kind::Comment, end_of_line(bytes)),
            b'/' if at(1) == Some(b'*') => (Kind::Comment, end_of_comment(bytes)),
            b'$' if at(1).is_some_and(|byte| byte.is_ascii_digit()) => {
                (Kind::Number, run(1, |byte| byte.is_ascii_digit()))
            }
            b'$' => end_of_dollar_quotes(self.rest).map_or((Kind::Other, 1), |end| (Kind::Quoted, end)),
            b'%' if at(1) == Some(b'%') => (Kind::DoublePercent, 2),
            b'%' if at(1) == Some(b's') && !at(2).is_some_and(continues_name) => (Kind::Mark, 2),
            _ if begins_name(first) => (Kind::Other, run(0, continues_name)),
            _ if first.is_ascii_digit() => (Kind::Other, end_of_number(bytes)),
            _ => (Kind::Other, 1),
        };
        let (piece, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some((kind, piece))
    }
}

/// The end of a number with at most one point, and of what is stuck to it, so that the `e` of `1e'` begins
/// nothing. A `$` does not belong to a number, and what comes after a second point is a word of its own.
fn end_of_number(bytes: &[u8]) -> usize {
    let mut points = 0;
    let belongs = |byte: &&u8| {
        points += usize::from(**byte == b'.');
        **byte != b'$' && (continues_name(**byte) || (**byte == b'.' && points == 1))
    };
    bytes.iter().take_while(belongs).count()
}

/// The end of quotes that open at `from`; a doubled quote stands for one. With `backslashes`, what
/// follows one of those is skipped. Quotes nobody closes go on to the end.
fn end_of_quotes(bytes: &[u8], from: usize, backslashes: bool) -> usize {
    let quote = bytes[from];
    let mut index = from + 1;
    while index < bytes.len() {
        if backslashes && bytes[index] == b'\\' {
            index += 2;
        } else if bytes[index] != quote {
            index += 1;
        } else if bytes.get(index + 1) == Some(&quote) {
            index += 2;
        } else {
            return index + 1;
        }
    }
    bytes.len()
}

/// The end of `E'...'`. Such a literal goes on, backslashes and all, in quotes after a line break.
fn end_of_escaped(bytes: &[u8]) -> usize {
    let mut end = end_of_quotes(bytes, 1, true);
    while let Some(next) = continuation(bytes, end) {
        end = end_of_quotes(bytes, next, true);
    }
    end
}

/// Where quotes open again after `from`, with nothing between but space and `--` comments, among it a
/// line break.
fn continuation(bytes: &[u8], from: usize) -> Option<usize> {
    let mut index = from;
    let mut broken = false;
    loop {
        match bytes.get(index)? {
            b'\n' | b'\r' => broken = true,
            b' ' | b'\t' | 0x0b | 0x0c => {}
            b'-' if bytes.get(index + 1) == Some(&b'-') => {
                index += end_of_line(&bytes[index..]);
                continue;
            }
            b'\'' if broken => return Some(index),
            _ => return None,
        }
        index += 1;
    }
}

fn end_of_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(bytes.len())
}

/// The end of a comment in `/* */`, which may hold further ones.
fn end_of_comment(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut index = 0;
    while index < bytes.len() {
        match &bytes[index..] {
            [b'/', b'*', ..] => {
                depth += 1;
                index += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                index += 2;
                if depth == 0 {
                    return index;
                }
            }
            _ => index += 1,
        }
    }
    bytes.len()
}

/// The end of `$$...$$` or `$tag$...$tag$` at the start of the text; `None` when it is no such thing.
fn end_of_dollar_quotes(text: &str) -> Option<usize> {
    let tag = text[1..].bytes().take_while(|byte| continues_name(*byte) && *byte != b'$').count();
    let open = text.get(..tag + 2).filter(|open| open.ends_with('$'))?;
    let rest = &text[open.len()..];
    Some(rest.find(open).map_or(text.len(), |close| open.len() + close + open.len()))
}
