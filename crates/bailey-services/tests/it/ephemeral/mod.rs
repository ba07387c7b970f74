//! `ephemeral.*`: one contract for both backends, then what is each one's own.

mod contract;
mod desk;
mod memory;
mod model;
mod redis;
