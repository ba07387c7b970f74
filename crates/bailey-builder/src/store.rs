//! Where built packages lie: `<cache>/<hash>/`, found again through `<cache>/index/<question>.json`.
//!
//! Both appear by renaming something complete, so a crash or a second builder at the same moment
//! leaves nothing half-made.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::builder::BuiltPackages;
use crate::error::BuildError;
use crate::inspect;

/// Part of every hash: raised when the layout of built folders changes.
const LAYOUT: &str = "1";

/// What an index entry says.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    hash: String,
    packages: Vec<(String, String)>,
}

/// The folder all builds share.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    root: PathBuf,
}

impl Store {
    pub(crate) fn open(root: &Path) -> Result<Self, BuildError> {
        let index = root.join("index");
        fs::create_dir_all(&index).map_err(BuildError::cache("create", &index))?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// What was built for the same question before, if it is still there.
    pub(crate) fn find(&self, question: &str) -> Option<BuiltPackages> {
        let entry = fs::read(self.index_path(question)).ok()?;
        let entry: Entry = serde_json::from_slice(&entry).ok()?;
        let plain = entry.hash.len() == 64 && entry.hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| self.built(&entry.hash, entry.packages)).flatten()
    }

    /// The packages stored under `hash`, if they are there.
    pub(crate) fn built(&self, hash: &str, packages: Vec<(String, String)>) -> Option<BuiltPackages> {
        let directory = self.root.join(hash);
        directory.is_dir().then(|| BuiltPackages { directory, hash: hash.to_owned(), packages })
    }

    /// A folder to build in, on the same file system; removed when dropped.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir, BuildError> {
        tempfile::Builder::new()
            .prefix(".building-")
            .tempdir_in(&self.root)
            .map_err(BuildError::cache("create a folder in", &self.root))
    }

    /// Seals `folder` and moves it to its place. If somebody else was faster, theirs stays.
    pub(crate) fn keep(&self, folder: &Path, hash: &str) -> Result<(), BuildError> {
        inspect::seal(folder)?;
        // One flush for all files: after a power failure a renamed folder must not hold empty ones.
        let opened = fs::File::open(folder).map_err(BuildError::cache("open", folder))?;
        rustix::fs::syncfs(&opened).map_err(|error| BuildError::cache("flush", folder)(error.into()))?;
        let target = self.root.join(hash);
        // Nobody but root may move a folder that is read-only.
        inspect::set_mode(folder, inspect::MOVING_FOLDER)?;
        match fs::rename(folder, &target) {
            Ok(()) => inspect::set_mode(&target, inspect::READ_ONLY_FOLDER),
            Err(error) => {
                inspect::unseal(folder)?; // so that the scratch folder can be removed
                if target.is_dir() { Ok(()) } else { Err(BuildError::cache("create", &target)(error)) }
            }
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
