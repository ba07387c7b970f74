//! Control groups: the kernel's limits on memory, threads and processor for one process, its exact
//! kill list, and its account of what happened. Version 2 where it has the controllers, else 1.

mod demotion;
mod files;
mod find;
mod group;
mod sweep;

use std::path::PathBuf;

pub(crate) use demotion::keep_fair;
pub(crate) use files::shares;
pub(crate) use find::{find, memory_of, places_of};
pub(crate) use group::{Group, MemoryFiles};
pub(crate) use sweep::{is_stale, owner_mark, sweep};

/// The controllers we need.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// The folders below which the groups of this host's processes are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hierarchy {
    /// One folder for all controllers.
    Version2 { parent: PathBuf },
    /// One folder per controller.
    Version1 { memory: PathBuf, pids: PathBuf, cpu: PathBuf },
}

impl Hierarchy {
    /// The parent folders, each once (controllers of version 1 can share a mount).
    pub(crate) fn parents(&self) -> Vec<&PathBuf> {
        match self {
            Self::Version2 { parent } => vec![parent],
            Self::Version1 { memory, pids, cpu } => {
                let mut all = vec![memory, pids, cpu];
                all.dedup();
                all
            }
        }
    }
}
