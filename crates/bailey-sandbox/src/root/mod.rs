//! The read-only root of every process: a Python interpreter, its standard library, the shared
//! libraries both need, and nothing else. Built once per interpreter, cached, checked on reuse.
//!
//! The process itself never changes it; see `launcher` for how it is mounted.

mod assemble;
mod inspect;
mod manifest;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use assemble::Layout;

/// A built root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonRoot {
    path: PathBuf,
    interpreter: PathBuf,
    executables: Vec<PathBuf>,
    python_version: String,
    identity: String,
}

/// Why there is no root.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The interpreter did not say what it is made of.
    #[error("cannot use {} as the sandbox's Python: {reason}; hint: install Debian's python3 or name another interpreter", python.display())]
    Interpreter {
        /// The interpreter.
        python: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A shared library is missing on this machine.
    #[error("shared library {name} was not found; hint: install the package that has it (Debian: {package})")]
    Library {
        /// The library's name.
        name: String,
        /// The Debian package that usually has it.
        package: &'static str,
    },
    /// A file could not be read or written.
    #[error("cannot build the sandbox's root: {attempt} {}: {source}", path.display())]
    File {
        /// What was being attempted.
        attempt: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The finished root does not match its own manifest.
    #[error("the sandbox's root {} was changed while it was being built; hint: do not share the cache folder", path.display())]
    Changed {
        /// The root.
        path: PathBuf,
    },
}

/// Adds what was attempted, and on what, to an I/O error.
fn file<T>(attempt: &'static str, path: &Path, result: io::Result<T>) -> Result<T, RootError> {
    result.map_err(|source| RootError::File { attempt, path: path.to_owned(), source })
}

impl PythonRoot {
    /// Builds the root of an interpreter below `cache_dir`, or reuses the one that is there. Takes
    /// seconds the first time and milliseconds afterwards. Blocking. Several may build at once.
    pub fn build(python: &Path, cache_dir: &Path) -> Result<Self, RootError> {
        file("make the cache folder", cache_dir, fs::create_dir_all(cache_dir))?;
        let cache_dir = &file("find the cache folder", cache_dir, fs::canonicalize(cache_dir))?;
        let facts = inspect::inspect(python)?;
        let layout = assemble::plan(&facts)?;
        let home = cache_dir.join(layout.identity());
        let root = Self {
            path: home.join("root"),
            interpreter: facts.interpreter.clone(),
            executables: vec![facts.interpreter.clone(), facts.loader.clone()],
            python_version: facts.version.clone(),
            identity: layout.identity().to_owned(),
        };
        if manifest::matches(&home) {
            return Ok(root);
        }
        root.rebuild(&facts.interpreter, &layout, cache_dir, &home)?;
        if manifest::matches(&home) { Ok(root) } else { Err(RootError::Changed { path: home }) }
    }

    fn rebuild(
        &self,
        python: &Path,
        layout: &Layout,
        cache_dir: &Path,
        home: &Path,
    ) -> Result<(), RootError> {
        let staging = Scratch::new(cache_dir, "building");
        assemble::assemble(python, layout, &staging.0.join("root"))?;
        file("write the manifest of", &staging.0, manifest::write(&staging.0))?;
        // What lies there and does not match its manifest is moved away first, never repaired.
        let broken = Scratch::new(cache_dir, "broken");
        if home.exists() && !manifest::matches(home) {
            let _someone_else_was_faster = fs::rename(home, &broken.0);
        }
        match fs::rename(&staging.0, home) {
            // Another builder was faster; theirs is as good as ours and is checked by the caller.
            Err(_) if home.exists() => Ok(()),
            result => file("put the root at", home, result),
        }
    }

    /// The folder on the host that becomes `/`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The interpreter, as a path inside the root.
    pub fn interpreter(&self) -> &Path {
        &self.interpreter
    }

    /// Major and minor version, such as `3.11`.
    pub fn python_version(&self) -> &str {
        &self.python_version
    }

    /// SHA-256 (hex) of what the root was made from: changes when the interpreter, its library or
    /// the layout of the root does.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    pub(crate) fn executables(&self) -> &[PathBuf] {
        &self.executables
    }
}

/// A folder that removes itself, whatever happens.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path, purpose: &str) -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Self(parent.join(format!(".{purpose}-{}-{number}", crate::cgroup::owner_mark())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _usually_renamed_away = fs::remove_dir_all(&self.0);
    }
}
