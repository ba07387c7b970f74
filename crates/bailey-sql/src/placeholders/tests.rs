//! Placeholders against the rules, and against PostgreSQL's own scanner.

use pg_query::protobuf::Token;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn good(sql: &str, parameters: usize) -> String {
    number(sql, parameters).unwrap_or_else(|error| panic!("{sql}: {error}")).into_owned()
}

fn refused(sql: &str, parameters: usize) -> String {
    let error = number(sql, parameters).unwrap_err();
    format!("invalid {}: {error} is required", error.field())
}

#[test]
fn marks_are_numbered_in_order() {
    for (sql, parameters, expected) in [
        ("SELECT %s", 1, "SELECT $1"),
        ("INSERT INTO t VALUES (%s,%s, %s)", 3, "INSERT INTO t VALUES ($1,$2, $3)"),
        ("SELECT * FROM t WHERE a=%s AND b>=%s::int", 2, "SELECT * FROM t WHERE a=$1 AND b>=$2::int"),
        ("SELECT a||%s||b", 1, "SELECT a||$1||b"),
        ("SELECT tags @>%s", 1, "SELECT tags @>$1"),
        ("SELECT ARRAY[%s]", 1, "SELECT ARRAY[$1]"),
        ("SELECT x LIMIT%s", 1, "SELECT x LIMIT $1"),
        ("SELECT %s%s", 2, "SELECT $1 $2"),
        ("SELECT $1, $2, $1", 2, "SELECT $1, $2, $1"),
        ("SELECT $2 + $1", 2, "SELECT $2 + $1"),
    ] {
        assert_eq!(good(sql, parameters), expected);
    }
}

#[test]
fn quotes_and_comments_are_left_alone() {
    for quoted in [
        "'%s'",
        "'it''s %s'",
        r"'back\'",
        r"E'it\'s %s'",
        r"e'\\'",
        "E'a' -- c\n '\\' %s'",
        "U&'%s'",
        "U&\"%s\"",
        "B'01'",
        "N'%s $1'",
        "\"%s \"\" $1\"",
        "$$ %s ' $1 $$",
        "$a$ %s $$ $b$ $a$",
        "$é1$ %s $é1$",
        "-- %s $1 '\n",
        "/* %s /* ' */ $1 */",
        "a$1",
        "\"é\"",
    ] {
        assert_eq!(good(&format!("SELECT {quoted} , %s"), 1), format!("SELECT {quoted} , $1"));
        assert_eq!(good(&format!("SELECT {quoted} , $1"), 1), format!("SELECT {quoted} , $1"));
        assert_eq!(good(&format!("SELECT {quoted}"), 0), format!("SELECT {quoted}"));
    }
}

#[test]
fn percent_signs_mean_what_their_authors_meant() {
    for (sql, parameters, expected) in [
        ("SELECT 10 % 3, 'a%'", 0, "SELECT 10 % 3, 'a%'"),
        ("SELECT 10 %% 3, 'a%%', x %s", 0, "SELECT 10 %% 3, 'a%%', x %s"),
        ("SELECT 10 % 3, %s", 1, "SELECT 10 % 3, $1"),
        ("SELECT 10 %% 3, %s", 1, "SELECT 10 % 3, $1"),
        ("SELECT 10 %% 3, $1", 1, "SELECT 10 % 3, $1"),
        (
            "SELECT a LIKE 'x%%' AND b LIKE '%y' AND c = %s",
            1,
            "SELECT a LIKE 'x%' AND b LIKE '%y' AND c = $1",
        ),
        ("SELECT a LIKE '100%%' AND c = $1", 1, "SELECT a LIKE '100%%' AND c = $1"),
        ("SELECT '%%s', \"50%%\", $$%%$$, %s", 1, "SELECT '%s', \"50%\", $$%$$, $1"),
        ("SELECT to_char(x, '%%%s'), %s", 1, "SELECT to_char(x, '%%s'), $1"),
        ("SELECT 10 %%%s", 1, "SELECT 10 %$1"),
        ("SELECT 10 %size, %s", 1, "SELECT 10 %size, $1"),
        ("SELECT x %s", 1, "SELECT x $1"),
        ("SELECT x % s, %s", 1, "SELECT x % s, $1"),
    ] {
        assert_eq!(good(sql, parameters), expected);
    }
}

#[test]
fn marks_of_no_width_at_the_start_are_dropped() {
    assert_eq!(good("\u{feff}\u{200b} \n\u{2060}SELECT '\u{feff}'", 0), "SELECT '\u{feff}'");
    assert_eq!(good("\u{feff}SELECT %s", 1), "SELECT $1");
}

#[test]
fn what_does_not_fit_together_is_refused_with_both_numbers() {
    for (sql, parameters, said) in [
        (
            "SELECT %s, $1",
            2,
            "invalid sql: one kind of placeholder, either %s or $1, $2 (the statement uses both) is required",
        ),
        (
            "SELECT %s, %s",
            1,
            "invalid params: one value for each placeholder (the statement uses 2, 1 came with it) is required",
        ),
        (
            "SELECT '%s'",
            1,
            "invalid params: one value for each placeholder (the statement uses 0, 1 came with it) is required",
        ),
        (
            "SELECT $3",
            2,
            "invalid params: one value for each placeholder (the statement uses 3, 2 came with it) is required",
        ),
        (
            "SELECT $1",
            0,
            "invalid params: one value for each placeholder (the statement uses 1, 0 came with it) is required",
        ),
        ("SELECT $1, $3", 3, "invalid sql: a use of $2 in the statement (it has 3 values) is required"),
        ("SELECT $0", 1, "invalid sql: a placeholder from $1 on (the statement uses $0) is required"),
        (
            "SELECT $99999999999999999999",
            1,
            "invalid sql: a placeholder from $1 on (the statement uses $99999999999) is required",
        ),
    ] {
        assert_eq!(refused(sql, parameters), said);
    }
}

#[test]
fn unfinished_quotes_take_the_rest() {
    for sql in [
        "SELECT 'a %s",
        "SELECT \"%s",
        "SELECT E'\\",
        "SELECT $a$ %s $a",
        "SELECT /* /* */ %s",
        "SELECT --%s",
    ] {
        assert_eq!(good(sql, 0), sql);
        assert!(number(sql, 1).is_err());
    }
}

/// Pieces of SQL without placeholders. None begins or ends in a way that would join a neighbour, as
/// there is always space between; that a placeholder needs none is tested with `glued`.
const PIECES: &[&str] = &[
    "SELECT",
    "a",
    "é_1",
    "a$1",
    "1",
    "1.5e-3",
    "0",
    "'x'",
    "'%s'",
    "'it''s $1'",
    r"'\'",
    // Words follow, or the literal would go on in the next one after a comment.
    r"E'\' %s $2' AND",
    "E'a'\n'\\' %s' AND",
    "U&'d\\0061t %s'",
    "B'1'",
    "X'1F'",
    "\"q %s\"",
    "\"a\"\"$1\"",
    "$$%s$$",
    "$t$ $$ ' %s $1 $t$",
    "-- %s $1 '\n",
    "/* ' /* %s */ $1 */",
    "%",
    "+",
    "@>",
    "||",
    "<=",
    "::",
    "(",
    ")",
    ",",
    ";",
    "[",
];
/// Pieces a placeholder may follow and precede without space.
const GLUED: &[&str] =
    &["(", ")", ",", "=", "||", "'x'", "\"q\"", "$$%s$$", "/* %s */", "a", "1", "+", "<@", "["];

/// The tokens PostgreSQL's scanner sees, comments and placeholders left out, and how many placeholders.
fn scanned(sql: &str) -> (Vec<(i32, String)>, usize) {
    let scan = pg_query::scan(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut placeholders = 0;
    let mut tokens = Vec::new();
    for token in scan.tokens {
        match Token::try_from(token.token).unwrap() {
            Token::Param => placeholders += 1,
            Token::SqlComment | Token::CComment => {}
            _ => {
                tokens.push((token.token, sql[token.start as usize..token.end as usize].to_owned()));
            }
        }
    }
    (tokens, placeholders)
}

#[derive(Debug, Clone)]
enum Part {
    Piece(&'static str),
    Placeholder,
    Glued(&'static str, &'static str),
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        4 => select(PIECES).prop_map(Part::Piece),
        2 => Just(Part::Placeholder),
        1 => (select(GLUED), select(GLUED))
            .prop_filter("a letter after %s makes it a name", |(_, after)| !matches!(*after, "a" | "1" | "$$%s$$"))
            .prop_map(|(before, after)| Part::Glued(before, after)),
    ]
}

/// The parts as text, with what `placeholder` writes for the n-th placeholder.
fn written(parts: &[Part], placeholder: impl Fn(usize) -> String) -> (String, usize) {
    let mut text = String::new();
    let mut count = 0;
    for part in parts {
        match part {
            Part::Piece(piece) => text.push_str(piece),
            Part::Placeholder => {
                count += 1;
                text.push_str(&placeholder(count));
            }
            Part::Glued(before, after) => {
                count += 1;
                text.push_str(&format!("{before}{}{after}", placeholder(count)));
            }
        }
        text.push(' ');
    }
    (text, count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_sequence_of_words_keeps_them_and_gets_its_numbers(parts in proptest::collection::vec(part(), 0..20)) {
        let (marked, count) = written(&parts, |_| "%s".to_owned());
        let (spaced, _) = written(&parts, |number| format!(" ${number} "));
        let numbered = number(&marked, count).unwrap();
        let (tokens, placeholders) = scanned(&numbered);
        prop_assert_eq!(placeholders, count, "{}", numbered);
        let numbers: Vec<_> = Lexer::new(&numbered).filter(|(kind, _)| *kind == Kind::Number).map(|(_, text)| text.to_owned()).collect();
        let expected: Vec<_> = (1..=count).map(|number| format!("${number}")).collect();
        prop_assert_eq!(numbers, expected);
        prop_assert_eq!(tokens, scanned(&spaced).0, "{}", numbered);
        // Its own output is a statement of the other kind, and stays as it is.
        prop_assert_eq!(number(&numbered, count).unwrap(), numbered.as_ref());
        if count > 0 {
            prop_assert!(number(&marked, count + 1).is_err());
        }
    }

    #[test]
    fn no_text_is_too_strange(sql in "[ -~\n\u{e9}\u{feff}'\"$%s1e/*-]{0,60}", parameters in 0..4_usize) {
        let pieces: String = Lexer::new(&sql).map(|(_, text)| text).collect();
        prop_assert_eq!(pieces, sql.clone());
        let _ = number(&sql, parameters);
    }
}
