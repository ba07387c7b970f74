//! The launcher as a program of its own, for tests and tools.
fn main() {}
