//! What stands in the files of a control group.

use std::{fs, path::Path};

/// A number of a file that has a name and a number a line.
pub(super) fn counter(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A weight of version 2 (100 is usual) in version 1's unit (1024 is usual).
pub(crate) fn shares(weight: u64) -> u64 {
    (weight * 1024 / 100).max(2)
}
