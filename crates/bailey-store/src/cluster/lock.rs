//! One Bailey per data directory, held by a lock the kernel lets go of when the process ends.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::ClusterError;

/// Takes the lock, or says who has it. The lock lasts as long as the file stays open.
pub(super) fn acquire(data_directory: &Path) -> Result<File, ClusterError> {
    let path = data_directory.join("bailey.lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(ClusterError::file("open", &path))?;
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(ClusterError::file("lock", &path)(error.into()));
        }
        let mut holder = String::new();
        let _ = (&mut file).take(32).read_to_string(&mut holder); // only for the message
        let holder = holder.trim();
        return Err(ClusterError::InUse {
            directory: data_directory.to_owned(),
            holder: if holder.is_empty() { "unknown".to_owned() } else { holder.to_owned() },
        });
    }
    let noted =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    noted.map_err(ClusterError::file("write", &path))?;
    Ok(file)
}
