//! What is known of the servers as bytes, so that another process can go on with it: Discord does not say it again to
//! whoever resumes a session.

use std::io;

use super::Directory;

/// Level of compression: quick.
const LEVEL: i32 = 1;

impl Directory {
    /// A copy that changes no more, and the revision it is of.
    pub(crate) fn copy(&self) -> (u64, Self) {
        self.read(|known| (known.revision, Self { known: std::sync::Arc::new(known.clone().into()) }))
    }

    /// A number that grows with each change.
    pub fn revision(&self) -> u64 {
        self.read(|known| known.revision)
    }

    /// All of it, compressed. Takes a moment for a bot that is in thousands of servers.
    ///
    /// # Errors
    /// When it cannot be written as JSON or compressed, which is a bug.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
        self.read(|known| serde_json::to_writer(&mut encoder, known))?;
        encoder.finish()
    }

    /// Replaces all of it by what [`Directory::to_bytes`] wrote.
    ///
    /// # Errors
    /// When another version of Bailey wrote it, or somebody else.
    pub fn restore(&self, bytes: &[u8]) -> io::Result<()> {
        let kept = serde_json::from_reader(io::BufReader::new(zstd::stream::read::Decoder::new(bytes)?))?;
        self.write(|known| *known = kept);
        Ok(())
    }
}
