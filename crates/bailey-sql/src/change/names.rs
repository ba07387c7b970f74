//! The names PostgreSQL gives to what an author left unnamed. Ours must be the same: they stand in
//! error messages and in `ON CONFLICT ON CONSTRAINT`.

/// Bytes of a name.
const NAME_BYTES: usize = 63;

/// `table_column_.._suffix`, shortened as PostgreSQL does.
pub(super) fn made_up<'a>(table: &str, columns: impl IntoIterator<Item = &'a str>, suffix: &str) -> String {
    let columns = columns.into_iter().collect::<Vec<_>>().join("_");
    let overhead = suffix.len() + 1 + usize::from(!columns.is_empty());
    let (mut first, mut second) = (table.len(), columns.len());
    while first + second > NAME_BYTES - overhead {
        if first > second { first -= 1 } else { second -= 1 }
    }
    let (table, columns) = (whole_characters(table, first), whole_characters(&columns, second));
    if columns.is_empty() { format!("{table}_{suffix}") } else { format!("{table}_{columns}_{suffix}") }
}

/// The first `bytes` of a text, less what would cut a character.
fn whole_characters(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_postgresqls() {
        assert_eq!(made_up("scores", [], "pkey"), "scores_pkey");
        assert_eq!(made_up("scores", ["a", "b"], "key"), "scores_a_b_key");
        // As a server of version 15 names it.
        let long = "a_table_with_a_name_that_is_really_quite_long_for_a_table";
        let made = made_up(long, ["a_column_with_a_long_name_too_so_both_are_cut"], "key");
        assert_eq!(made, "a_table_with_a_name_that_is_r_a_column_with_a_long_name_too_key");
        assert!(made_up(&"é".repeat(40), ["x"], "key").len() <= 63);
    }
}
