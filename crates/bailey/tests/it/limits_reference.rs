//! `docs/reference/limits.md` says what the constants say. Write it anew with
//! `BAILEY_WRITE_DOCS=1 cargo test -p bailey limits_reference`.

use bailey_testkit::workspace;

const SECTIONS: &[(&str, &str)] = &[
    ("Calls, events and messages", "crates/bailey-protocol/src/limits.rs"),
    ("The way to other servers", "crates/bailey-outbound/src/limits.rs"),
    ("The sandbox", "crates/bailey-sandbox/src/limits.rs"),
    ("Packages", "crates/bailey-package/src/limits.rs"),
    ("Python dependencies", "crates/bailey-builder/src/limits.rs"),
];

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch for people who changed a limit")]
fn the_reference_lists_every_limit_as_it_is() {
    let path = workspace().join("docs/reference/limits.md");
    let mut expected = String::from(
        "# Limits\n\nEvery number somebody can hit, taken from the constants in the source (a test keeps this page equal to \
         them). Sizes are in bytes, times in seconds, unless said otherwise.\n",
    );
    for (title, file) in SECTIONS {
        let source = std::fs::read_to_string(workspace().join(file)).unwrap();
        let rows = rows(&source);
        assert!(rows.len() > 2, "no limits were found in {file}");
        expected.push_str(&format!("\n## {title}\n\n| limit | value | what it is |\n|---|---|---|\n"));
        expected.extend(rows);
    }
    if std::env::var_os("BAILEY_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == expected,
        "docs/reference/limits.md is not what the constants say; see the top of this file"
    );
}

/// A row for each `pub const` with the doc comment above it.
fn rows(source: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let mut doc = String::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            doc.push_str(text);
        } else if let Some((name, rest)) =
            line.strip_prefix("pub const ").and_then(|constant| constant.split_once(':'))
        {
            let value = rest.split_once('=').unwrap().1.trim().trim_end_matches(';');
            rows.push(format!("| `{name}` | {} | {} |\n", readable(value), doc.trim()));
            doc.clear();
        } else {
            doc.clear();
        }
    }
    rows
}

/// A constant's expression as a person reads it.
fn readable(value: &str) -> String {
    let inner = |prefix: &str| value.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(')'));
    if let Some(number) =
        value.strip_prefix("NonZeroU32::new(").and_then(|rest| rest.strip_suffix(").unwrap()"))
    {
        return product(number);
    }
    match (inner("Duration::from_secs("), inner("Duration::from_millis(")) {
        (Some(seconds), _) => format!("{} s", product(seconds)),
        (_, Some(milliseconds)) => format!("{} ms", product(milliseconds)),
        _ => product(value),
    }
}

/// `64 * 1024` as 65,536; anything but a product of whole numbers as it is written.
fn product(value: &str) -> String {
    let factors: Option<Vec<u64>> = value
        .split('*')
        .map(|factor| factor.trim().trim_end_matches(".0").replace('_', "").parse().ok())
        .collect();
    let Some(factors) = factors else { return format!("`{value}`") };
    let digits = factors.iter().product::<u64>().to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
