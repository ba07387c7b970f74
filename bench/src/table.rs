//! The table that comes out: one line a row, printed as soon as it is measured.

/// What a ratio is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// For what is better the smaller it is: times, memory.
    AtMost(f64),
    /// For what is better the larger it is: calls a second.
    AtLeast(f64),
    /// For what is shown and not answered for.
    None,
}

/// The middle one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The table. The first row prints the head.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: usize,
    /// Rows that missed their target.
    missed: usize,
}

impl Table {
    /// Prints one row.
    pub(crate) fn row(&mut self, what: &str, ours: f64, floor: f64, target: Target) {
        if self.rows == 0 {
            println!("{:<46} {:>10} {:>10} {:>7} {:>9}", "what", "Bailey", "floor", "ratio", "target");
        }
        self.rows += 1;
        let ratio = ours / floor;
        let (wanted, met) = match target {
            Target::AtMost(most) => (format!("<= {most:.2}x"), ratio <= most),
            Target::AtLeast(least) => (format!(">= {least:.2}x"), ratio >= least),
            Target::None => (String::new(), true),
        };
        self.missed += usize::from(!met);
        let remark = if met { "" } else { "  missed" };
        println!("{what:<46} {ours:>10.2} {floor:>10.2} {ratio:>6.2}x {wanted:>9}{remark}");
    }

    /// Says how it went.
    pub(crate) fn finish(&self) {
        println!("{} rows, {} missed their target", self.rows, self.missed);
    }
}
