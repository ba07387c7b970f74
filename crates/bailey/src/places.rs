//! Where things lie on this machine, decided once from flags, environment and who we are.

use std::path::{Path, PathBuf};

use crate::cli::Places;
use crate::error::CommandError;

/// The folders Bailey works in, made when missing.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// What must not be lost: the private PostgreSQL.
    pub(crate) data: PathBuf,
    /// What can be made again: Python roots, packages, unpacked plugins.
    pub(crate) cache: PathBuf,
}

impl Folders {
    /// The folders the flags name, else the customary ones.
    pub(crate) fn choose(places: &Places) -> Result<Self, CommandError> {
        let data = folder(places.data_dir.as_deref(), "/var/lib/bailey", "XDG_DATA_HOME", ".local/share")?;
        let cache = folder(places.cache_dir.as_deref(), "/var/cache/bailey", "XDG_CACHE_HOME", ".cache")?;
        Ok(Self { data, cache })
    }

    /// Read-only Python roots of the sandbox.
    pub(crate) fn roots(&self) -> PathBuf {
        self.cache.join("roots")
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

fn folder(
    named: Option<&Path>,
    for_root: &str,
    variable: &'static str,
    below_home: &str,
) -> Result<PathBuf, CommandError> {
    let path = match named {
        Some(path) => path.to_owned(),
        None if rustix::process::geteuid().is_root() => PathBuf::from(for_root),
        None => match (environment(variable), environment("HOME")) {
            (Some(base), _) => PathBuf::from(base).join("bailey"),
            (None, Some(home)) => Path::new(&home).join(below_home).join("bailey"),
            (None, None) => {
                return Err(CommandError::usage("no home directory: name --data-dir and --cache-dir"));
            }
        },
    };
    std::fs::create_dir_all(&path)
        .and_then(|()| path.canonicalize())
        .map_err(|error| CommandError::usage(format!("cannot make the folder {}: {error}", path.display())))
}

#[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
