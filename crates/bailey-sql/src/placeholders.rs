//! From the placeholders a plugin wrote, `%s` or `$1`, to the numbered ones PostgreSQL knows.
//!
//! The words of the text are told apart by a small lexer of our own, after the chapter "Lexical
//! Structure" of PostgreSQL's manual. PostgreSQL's scanner does not serve here: it reads `=%s` as an
//! operator `=%` and a name `s`. Nothing rests on this for safety: what comes out is parsed and
//! checked as if the plugin had written it.
//!
//! The rules, which are those of the driver most plugins were written for where it has one:
//!
//! - Without values the text stays as it is: `LIKE '10%'` and `n % 2` need no care. A `$1` is refused.
//! - With values, `%s` outside literals, quoted names and comments is the next value, and `$n` the
//!   value of that number. One statement uses one kind only. `'%s'` in quotes is text.
//! - `%s` before a letter, digit or `_` is the operator and a name: `10 %size`. `x %s` is always a
//!   placeholder; the remainder by a column called `s` is written `x % s`.
//! - With values, `%%` is `%` outside quotes: `n %% 2`. In a text that uses `%s` it is so inside quotes
//!   too, as in `LIKE 'a%%'`. A lone `%` is a lone `%` everywhere.
//! - Byte order marks and spaces of no width at the start are dropped.

use std::borrow::Cow;

mod lexer;

use lexer::{Kind, Lexer};

/// Why placeholders and values do not fit together. Reads as the end of "invalid `field`: ... is required".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// Both kinds in one statement.
    #[error("one kind of placeholder, either %s or $1, $2 (the statement uses both)")]
    Mixed,
    /// `$0`, or a number no list of values reaches.
    #[error("a placeholder from $1 on (the statement uses {0})")]
    Number(String),
    /// As many `%s` as values, or as many numbers.
    #[error("one value for each placeholder (the statement uses {placeholders}, {parameters} came with it)")]
    Count {
        /// How many `%s` there are, or the highest `$n`.
        placeholders: usize,
        /// How many values came.
        parameters: usize,
    },
    /// A value no `$n` uses.
    #[error("a use of ${unused} in the statement (it has {parameters} values)")]
    Unused {
        /// The number.
        unused: usize,
        /// How many values came.
        parameters: usize,
    },
}

impl PlaceholderError {
    /// The parameter of the call it is about.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Mixed | Self::Number(_) | Self::Unused { .. } => "sql",
            Self::Count { .. } => "params",
        }
    }
}

/// The statement with its placeholders as `$1`, `$2` and so on, each from 1 to `parameters` used.
///
/// # Errors
/// [`PlaceholderError`] when the placeholders are of two kinds or do not fit the number of values.
pub fn number(sql: &str, parameters: usize) -> Result<Cow<'_, str>, PlaceholderError> {
    let sql = sql.trim_start_matches(|character: char| {
        character.is_ascii_whitespace()
            || matches!(character, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
    });
    let found = Found::within(sql, parameters > 0)?;
    if found.marks > 0 && found.highest > 0 {
        return Err(PlaceholderError::Mixed);
    }
    let placeholders = found.marks.max(found.highest);
    if placeholders != parameters {
        return Err(PlaceholderError::Count { placeholders, parameters });
    }
    if found.marks == 0
        && let Some(unused) = found.numbers.iter().position(|used| !used)
    {
        return Err(PlaceholderError::Unused { unused: unused + 1, parameters });
    }
    if parameters == 0 || !sql.contains('%') {
        return Ok(Cow::Borrowed(sql));
    }
    Ok(Cow::Owned(rewritten(sql, found.marks > 0)))
}

/// The placeholders of a text.
struct Found {
    /// How many `%s`.
    marks: usize,
    /// The highest `$n`, 0 for none.
    highest: usize,
    /// Whether `$1`, `$2` and so on are used.
    numbers: Vec<bool>,
}

impl Found {
    fn within(sql: &str, with_values: bool) -> Result<Self, PlaceholderError> {
        let mut found = Self { marks: 0, highest: 0, numbers: Vec::new() };
        for (kind, text) in Lexer::new(sql) {
            match kind {
                Kind::Mark if with_values => found.marks += 1,
                Kind::Number => {
                    // PostgreSQL counts parameters in 16 bits.
                    let number = text[1..].parse::<u16>().ok().filter(|number| *number > 0);
                    let shown = || text.chars().take(12).collect();
                    let number = usize::from(number.ok_or_else(|| PlaceholderError::Number(shown()))?);
                    found.highest = found.highest.max(number);
                    found.numbers.resize(found.highest, false);
                    found.numbers[number - 1] = true;
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

fn rewritten(sql: &str, with_marks: bool) -> String {
    let mut result = String::with_capacity(sql.len() + 16);
    let mut next = 1;
    for (kind, text) in Lexer::new(sql) {
        match kind {
            Kind::Mark if with_marks => {
                // `x%s` would become the name `x$1`.
                if result.bytes().next_back().is_some_and(lexer::continues_name) {
                    result.push(' ');
                }
                result.push_str(&format!("${next}"));
                next += 1;
            }
            Kind::DoublePercent => result.push('%'),
            Kind::Quoted if with_marks => result.push_str(&text.replace("%%", "%")),
            _ => result.push_str(text),
        }
    }
    result
}

#[cfg(test)]
mod tests;
