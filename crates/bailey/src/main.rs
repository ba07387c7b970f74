//! The bailey binary.
fn main() {}
