//! Control groups of a test's own.

pub(crate) use bailey_testkit::Groups;
