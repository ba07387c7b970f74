//! Scenarios: a scripted conversation with a plugin in the simulated Discord, and what must come of it.
//!
//! [`step`] reads the script, [`expect`] decides whether people saw what was expected,
//! [`transcript`] is what is printed, [`runner`] plays. The format is described for authors in
//! `docs/reference/scenario.md`.

pub(crate) mod expect;
pub(crate) mod runner;
pub(crate) mod step;
pub(crate) mod transcript;
