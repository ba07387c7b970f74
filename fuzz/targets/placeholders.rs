//! A statement with any number of values: placeholders are numbered from 1 without a gap, and nothing
//! else of the text changes.

#![no_main]

use bailey_sql::placeholders::number;
use libfuzzer_sys::fuzz_target;
use pg_query::protobuf::Token;

/// More values than this are tried by no input.
const VALUES: usize = 8;

fuzz_target!(|text: &str| {
    for values in 0..=VALUES {
        let Ok(numbered) = number(text, values) else { continue };
        assert_eq!(bare(&numbered), bare(text), "text outside placeholders changed");
        if values == 0 {
            assert!(text.ends_with(&*numbered), "a text without values is cut at its start only");
        }
        if let Some(used) = numbers(&numbered) {
            assert_eq!(used, (1..=values).collect::<Vec<_>>(), "numbers are left out, or made up");
        }
        // A `%%` that became `%` would mean something else the second time.
        if !numbered.contains('%') {
            assert_eq!(number(&numbered, values).as_deref(), Ok(&*numbered), "numbered twice");
        }
    }
});

/// What is neither a placeholder of either kind, nor a `%`, nor space.
fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let dropped = ['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}'];
    let mut rest =
        text.trim_start_matches(|first: char| first.is_ascii_whitespace() || dropped.contains(&first));
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        match next {
            '$' => rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit()),
            '%' => rest = rest.strip_prefix('s').unwrap_or(rest),
            space if space.is_whitespace() => {}
            other => bare.push(other),
        }
    }
    bare
}

/// The numbers PostgreSQL's own scanner finds, each once; `None` where it cannot read the text.
fn numbers(text: &str) -> Option<Vec<usize>> {
    let scanned = pg_query::scan(text).ok()?;
    let mut numbers: Vec<usize> = scanned
        .tokens
        .iter()
        .filter(|token| token.token == Token::Param as i32)
        .filter_map(|token| text.get(token.start as usize + 1..token.end as usize)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers)
}
