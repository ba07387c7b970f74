//! The sandbox against the real kernel: every wall is tried from inside with real Python.

mod fixture;
mod life;
