//! Where things lie on this machine, decided once from flags, environment and who we are.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bailey_sandbox::CgroupParent;

use crate::cli::Places;
use crate::error::CommandError;

/// The folders Bailey works in, made when missing.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// What must not be lost: the private PostgreSQL.
    pub(crate) data: PathBuf,
    /// What can be made again: Python roots, packages, unpacked plugins.
    pub(crate) cache: PathBuf,
    /// The user ids of plugins' processes, when we are root.
    pub(crate) sandbox_uids: Range<u32>,
    /// Where plugins' control groups are made.
    pub(crate) control_group: CgroupParent,
}

impl Folders {
    /// The folders the flags name, else the customary ones.
    pub(crate) fn choose(places: &Places) -> Result<Self, CommandError> {
        Ok(Self {
            data: made(Self::data_of(places)?)?,
            cache: made(Self::cache_of(places)?)?,
            sandbox_uids: Self::sandbox_uids_of(places),
            control_group: Self::control_group_of(places),
        })
    }

    /// Where what can be made again is, or would be.
    pub(crate) fn cache_of(places: &Places) -> Result<PathBuf, CommandError> {
        choose(places.cache_dir.as_deref(), "/var/cache/bailey", "XDG_CACHE_HOME", ".cache")
    }

    /// The user ids of plugins' processes.
    pub(crate) fn sandbox_uids_of(places: &Places) -> Range<u32> {
        places.sandbox_uids.as_ref().map_or(bailey_sandbox::DEFAULT_UID_RANGE, |ids| ids.0.clone())
    }

    /// Where plugins' control groups are made.
    pub(crate) fn control_group_of(places: &Places) -> CgroupParent {
        places.control_group.clone().map_or(CgroupParent::Auto, CgroupParent::Named)
    }

    /// Where the data is, or would be: for those who only read.
    pub(crate) fn data_of(places: &Places) -> Result<PathBuf, CommandError> {
        choose(places.data_dir.as_deref(), "/var/lib/bailey", "XDG_DATA_HOME", ".local/share")
    }

    /// Read-only Python roots of the sandbox.
    pub(crate) fn roots(&self) -> PathBuf {
        roots_in(&self.cache)
    }

    /// Built Python packages.
    pub(crate) fn packages(&self) -> PathBuf {
        self.cache.join("packages")
    }

    /// A plugin's files, by content.
    pub(crate) fn plugin(&self, content_hash: &str) -> PathBuf {
        self.cache.join("plugins").join(content_hash)
    }

    /// Files of a new private PostgreSQL, kept so that short-lived ones start quickly.
    pub(crate) fn cluster_template(&self) -> PathBuf {
        self.cache.join("postgresql")
    }
}

/// Read-only Python roots below a cache folder.
pub(crate) fn roots_in(cache: &Path) -> PathBuf {
    cache.join("roots")
}

fn choose(
    named: Option<&Path>,
    for_root: &str,
    variable: &'static str,
    below_home: &str,
) -> Result<PathBuf, CommandError> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None if rustix::process::geteuid().is_root() => Ok(PathBuf::from(for_root)),
        None => match (environment(variable), environment("HOME")) {
            (Some(base), _) => Ok(PathBuf::from(base).join("bailey")),
            (None, Some(home)) => Ok(Path::new(&home).join(below_home).join("bailey")),
            (None, None) => Err(CommandError::usage("no home directory: name --data-dir and --cache-dir")),
        },
    }
}

fn made(path: PathBuf) -> Result<PathBuf, CommandError> {
    std::fs::create_dir_all(&path)
        .and_then(|()| path.canonicalize())
        .map_err(|error| CommandError::usage(format!("cannot make the folder {}: {error}", path.display())))
}

#[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
