//! Rows of words under headings, for people: columns as wide as their widest word, nothing a terminal acts on.

use bailey_services::logs::escape;

/// Characters of a long text that a table shows.
const SHOWN: usize = 140;

/// A long text without its middle: a reason says at its beginning what happened, and ends in a plugin's last words.
pub(crate) fn shortened(text: &str) -> String {
    let length = text.chars().count();
    if length <= SHOWN {
        return text.to_owned();
    }
    let (head, tail) = (SHOWN / 2 - 3, SHOWN / 2 - 2);
    let head: String = text.chars().take(head).collect();
    let tail: String = text.chars().skip(length - tail).collect();
    format!("{} ... {}", head.trim_end(), tail.trim_start())
}

/// A table being filled.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row, a word a column.
    pub(crate) fn row<const N: usize>(&mut self, words: [String; N]) {
        self.rows.push(words.iter().map(|word| escape(word)).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let words = self.rows.iter().filter_map(|row| row.get(column));
            words.map(|word| word.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (position, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (word, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{word:<width$}  "));
            }
            if position > 0 {
                writeln!(f)?;
            }
            f.write_str(line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        assert_eq!(shortened("exit code 1"), "exit code 1");
        let text = format!("it ended: exit code 1.{}KeyError: 'näme'", " | ~~~~".repeat(50));
        let shown = shortened(&text);
        assert!(
            shown.starts_with("it ended: exit code 1.") && shown.ends_with("KeyError: 'näme'"),
            "{shown}"
        );
        assert!(shown.chars().count() <= SHOWN && shown.contains(" ... "), "{shown}");
    }

    #[test]
    fn columns_line_up_and_words_stay_words() {
        let mut table = Table::new(&["PLUGIN", "STATE"]);
        table.row(["demo".to_owned(), "ready".to_owned()]);
        table.row(["a_long_name".to_owned(), "x\u{1b}[2Jy\nz".to_owned()]);
        let shown = table.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "PLUGIN       STATE");
        assert_eq!(lines[1], "demo         ready");
        assert_eq!(lines[2], "a_long_name  x\\u{1b}[2Jy\\nz");
    }
}
