//! Where built packages lie: `<cache>/<hash>/` with the lock in `<cache>/<hash>.lock`, found again through
//! `<cache>/index/<question>.json`; fetched wheels in `<cache>/wheels/`.
//!
//! All appear by renaming something complete, so a crash or a second builder at the same moment leaves
//! nothing half-made. Who uses packages holds a shared lock on their lock file, and what is in use is not
//! swept away.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::builder::BuiltPackages;
use crate::error::BuildError;
use crate::inspect;

/// Part of every hash: raised when the layout of built folders changes.
const LAYOUT: &str = "2";
/// Begins a lock file; the rest of the line is the number.
pub(crate) const BYTES_LINE: &str = "# installed bytes: ";
/// Folders being built, and being removed.
pub(crate) const SCRATCH: &str = ".building-";

/// What an index entry says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) hash: String,
    packages: Vec<(String, String)>,
}

/// The folder all builds share.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) root: PathBuf,
}

/// A folder to build in; removed when dropped. Locked meanwhile, so that nobody takes it for a leftover.
pub(crate) struct Scratch {
    folder: Option<tempfile::TempDir>,
    _lock: File,
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), tempfile::TempDir::path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            remove(folder.path()); // the jail may have left folders that not even we may read
        }
    }
}

impl Store {
    pub(crate) fn open(root: &Path) -> Result<Self, BuildError> {
        let store = Self { root: root.to_path_buf() };
        for folder in [root.join("index"), store.wheels()] {
            fs::create_dir_all(&folder).map_err(BuildError::cache("create", &folder))?;
        }
        Ok(store)
    }

    /// The folder of fetched wheels.
    pub(crate) fn wheels(&self) -> PathBuf {
        self.root.join("wheels")
    }

    /// uv's own cache, of those who may write to it. Users of it hold a shared lock on the folder.
    pub(crate) fn uv_cache(&self, writer: Option<u32>) -> PathBuf {
        self.root.join(writer.map_or_else(|| "uv".to_owned(), |writer| format!("uv-{writer}")))
    }

    /// What was built for the same question before, if it is still there.
    pub(crate) fn find(&self, question: &str) -> Option<BuiltPackages> {
        let entry = fs::read(self.index_path(question)).ok()?;
        let entry: Entry = serde_json::from_slice(&entry).ok()?;
        is_hash(&entry.hash).then(|| self.built(&entry.hash, entry.packages)).flatten()
    }

    /// The packages stored under `hash`, if they are there, marked as in use.
    pub(crate) fn built(&self, hash: &str, packages: Vec<(String, String)>) -> Option<BuiltPackages> {
        let (directory, lock) = (self.root.join(hash), self.lock_path(hash));
        let file = File::open(&lock).ok()?;
        file.try_lock_shared().ok()?; // it is being swept away this moment
        // Swept away and built again between opening and locking, it would be another file.
        let same =
            fs::metadata(&lock).is_ok_and(|now| file.metadata().is_ok_and(|then| then.ino() == now.ino()));
        if !same || !directory.is_dir() {
            return None;
        }
        touch(&file);
        Some(BuiltPackages { directory, lock, hash: hash.to_owned(), packages, _in_use: Arc::new(file) })
    }

    /// A folder to build in, on the same file system.
    pub(crate) fn scratch(&self) -> Result<Scratch, BuildError> {
        let failed = || BuildError::cache("create a folder in", &self.root);
        let folder = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(&self.root).map_err(failed())?;
        let lock = File::open(folder.path()).map_err(failed())?;
        let _a_new_folder_is_free = lock.try_lock_shared();
        Ok(Scratch { folder: Some(folder), _lock: lock })
    }

    /// Seals `folder` and moves it to its place, its lock beside it. If somebody else was faster, theirs
    /// stays.
    pub(crate) fn keep(&self, folder: &Path, hash: &str, lock: &str) -> Result<(), BuildError> {
        let bytes = inspect::seal(folder)?;
        let path = self.lock_path(hash);
        let failed = |error| BuildError::cache("write", &path)(error);
        let mut file = tempfile::NamedTempFile::new_in(&self.root).map_err(failed)?;
        write!(file, "{BYTES_LINE}{bytes}\n{lock}").map_err(failed)?;
        match file.persist_noclobber(&path) {
            Err(error) if error.error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(failed(error.error));
            }
            _ => {}
        }
        // One flush for all files: after a power failure a renamed folder must not hold empty ones.
        let opened = File::open(folder).map_err(BuildError::cache("open", folder))?;
        rustix::fs::syncfs(&opened).map_err(|error| BuildError::cache("flush", folder)(error.into()))?;
        let target = self.root.join(hash);
        // Nobody but root may move a folder that is read-only.
        inspect::set_mode(folder, inspect::MOVING_FOLDER)?;
        match fs::rename(folder, &target) {
            Ok(()) => inspect::set_mode(&target, inspect::READ_ONLY_FOLDER),
            Err(_) if target.is_dir() => Ok(()),
            Err(error) => Err(BuildError::cache("create", &target)(error)),
        }
    }

    /// Remembers the answer to a question.
    pub(crate) fn remember(&self, question: &str, built: &BuiltPackages) -> Result<(), BuildError> {
        let path = self.index_path(question);
        let failed = |error| BuildError::cache("write", &path)(error);
        let entry = Entry { hash: built.hash.clone(), packages: built.packages.clone() };
        let mut file = tempfile::NamedTempFile::new_in(self.root.join("index")).map_err(failed)?;
        serde_json::to_writer(&mut file, &entry).map_err(|error| failed(error.into()))?;
        file.flush().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn index_path(&self, question: &str) -> PathBuf {
        self.root.join("index").join(format!("{question}.json"))
    }

    fn lock_path(&self, hash: &str) -> PathBuf {
        self.root.join(format!("{hash}.lock"))
    }
}

/// Whether a name is one of ours.
pub(crate) fn is_hash(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Marks a file as used now; what is used least is swept first.
pub(crate) fn touch(file: &File) {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    let _only_the_order_of_sweeping = rustix::fs::futimens(file, &times);
}

/// Removes a folder with whatever modes are in it.
pub(crate) fn remove(folder: &Path) {
    let _what_stays_is_swept_later = inspect::unseal(folder);
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "a folder of the package cache cannot be removed");
    }
}

/// One hash over several texts; lengths first, so that no two lists hash the same bytes.
pub(crate) fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in [LAYOUT].iter().chain(parts) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex::encode(hasher.finalize())
}
