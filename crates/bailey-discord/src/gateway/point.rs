//! Where a gateway stands: which dispatches were handed on, and up to which the directory has learned.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::directory::Directory;

/// Where a gateway left off, so that another one can go on without missing anything.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumePoint {
    pub(super) session: String,
    pub(super) url: Option<String>,
    /// Dispatches up to this one were handed on.
    pub(super) handed_on: u64,
    /// The directory has learned from dispatches up to this one.
    pub(super) learned: u64,
}

impl fmt::Debug for ResumePoint {
    /// Without the session, which is half a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResumePoint({} handed on, {} learned)", self.handed_on, self.learned)
    }
}

impl ResumePoint {
    /// The last dispatch Discord need not repeat.
    pub(super) fn sequence(&self) -> u64 {
        self.handed_on.min(self.learned)
    }

    /// The same, to go with the directory that `other` went with.
    #[must_use]
    pub fn with_directory_of(mut self, other: &Self) -> Self {
        self.learned = other.learned;
        self
    }

    /// The same, with what a process had handed on that wrote it into this file and ended without a word. `None` if the
    /// file says nothing of this session.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn with_position_of(mut self, file: &Path) -> io::Result<Option<Self>> {
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some((session, sequence)) = bytes.split_at_checked(SESSION_BYTES) else { return Ok(None) };
        let Ok(sequence) = sequence.try_into().map(u64::from_be_bytes) else { return Ok(None) };
        if session != session_hash(&self.session) {
            return Ok(None);
        }
        self.handed_on = self.handed_on.max(sequence);
        Ok(Some(self))
    }
}

/// Where a gateway stands, and what it knows of the servers.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where.
    pub point: ResumePoint,
    /// The directory's revision.
    pub revision: u64,
    /// A copy of the directory as it belongs to the point, if it was asked for.
    pub directory: Option<Directory>,
}

const SESSION_BYTES: usize = 8;

fn session_hash(session: &str) -> [u8; SESSION_BYTES] {
    let mut hash = [0; SESSION_BYTES];
    hash.copy_from_slice(&Sha256::digest(session.as_bytes())[..SESSION_BYTES]);
    hash
}

/// A file with the number of the last dispatch that was handed on, written before it is: of a process that is killed, it
/// says how far it was. The kernel keeps it; it need not be on the disk.
#[derive(Debug)]
pub struct Position {
    file: File,
    written: Option<u64>,
    failing: bool,
}

impl Position {
    /// Opens the file, which stays as it is until something is handed on.
    ///
    /// # Errors
    /// When it cannot be opened or made.
    pub fn open(file: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(file)?;
        Ok(Self { file, written: None, failing: false })
    }

    /// A dispatch is about to be handed on.
    pub(super) fn note(&mut self, session: &str, sequence: u64) {
        if self.written.replace(sequence) == Some(sequence) {
            return;
        }
        let mut bytes = [0; SESSION_BYTES + 8];
        bytes[..SESSION_BYTES].copy_from_slice(&session_hash(session));
        bytes[SESSION_BYTES..].copy_from_slice(&sequence.to_be_bytes());
        // One write of a few bytes: a kill comes before or after it.
        if let Err(error) = self.file.write_all_at(&bytes, 0)
            && !std::mem::replace(&mut self.failing, true)
        {
            tracing::error!(%error, "how far the gateway is cannot be written down; after a crash, events may come twice");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(handed_on: u64, learned: u64) -> ResumePoint {
        ResumePoint { session: "secret".to_owned(), url: None, handed_on, learned }
    }

    #[test]
    fn it_goes_on_where_nothing_is_missed() {
        assert_eq!(point(9, 9).sequence(), 9);
        assert_eq!(point(9, 5).sequence(), 5);
        assert_eq!(point(9, 9).with_directory_of(&point(3, 2)).sequence(), 2);
        assert!(!format!("{:?}", point(9, 9)).contains("secret"));
    }

    #[test]
    fn a_position_is_of_its_session() {
        let path = std::env::temp_dir().join(format!("bailey-position-{}", std::process::id()));
        std::fs::remove_file(&path).ok();
        assert_eq!(point(3, 9).with_position_of(&path).unwrap(), None);
        let mut position = Position::open(&path).unwrap();
        assert_eq!(point(3, 9).with_position_of(&path).unwrap(), None, "nothing was handed on yet");
        position.note("secret", 7);
        position.note("secret", 8);
        assert_eq!(point(3, 9).with_position_of(&path).unwrap(), Some(point(8, 9)));
        position.note("another", 1);
        assert_eq!(point(3, 9).with_position_of(&path).unwrap(), None);
        std::fs::remove_file(&path).unwrap();
    }
}
