//! The sandbox against the real kernel: every wall is tried from inside with real Python.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, helper functions included")]

mod attacks;
mod cycles;
mod docker;
mod fixture;
mod groups;
mod host_death;
mod layers;
mod life;
mod python;
mod root;
mod rootless;
mod tools;
