//! Reading `postmaster.pid`: is a server of this cluster alive, and where does it listen?

use std::path::{Path, PathBuf};

use super::ClusterError;

/// A server that is running on our data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Postmaster {
    pub(super) pid: u32,
    pub(super) socket_directory: PathBuf,
}

/// What is going on in a cluster's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Presence {
    /// A server runs, or is starting or stopping.
    Running(Postmaster),
    /// The server is dead and some of its helpers are still going; starting now would be refused.
    Leaving,
    /// Nobody is there.
    Nobody,
}

/// The server that runs in `data`, or is starting or stopping; only looks.
pub(super) fn running(data: &Path) -> Result<Option<Postmaster>, ClusterError> {
    let Some(noted) = noted(data)? else { return Ok(None) };
    let data = data.canonicalize().map_err(ClusterError::file("look at", data))?;
    Ok(works_inside(noted.pid, &data).then_some(noted))
}

/// Who is in `data`. A note whose process id is no server's any more but still somebody's is removed
/// once nobody is left inside, because PostgreSQL would believe it.
pub(super) fn presence(data: &Path) -> Result<Presence, ClusterError> {
    let path = data.join("postmaster.pid");
    let Some(noted) = noted(data)? else { return Ok(Presence::Nobody) };
    let data = data.canonicalize().map_err(ClusterError::file("look at", data))?;
    if works_inside(noted.pid, &data) {
        return Ok(Presence::Running(noted));
    }
    if inhabitants(&data) {
        return Ok(Presence::Leaving);
    }
    if Path::new(&format!("/proc/{}", noted.pid)).exists() {
        // A stranger, or a dead server its parent has not collected. The socket has such a note too.
        remove(&noted.socket_directory.join(".s.PGSQL.5432.lock"))?;
        remove(&path)?;
    }
    Ok(Presence::Nobody)
}

/// What the note in `data` says, if there is one.
fn noted(data: &Path) -> Result<Option<Postmaster>, ClusterError> {
    let path = data.join("postmaster.pid");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClusterError::file("read", &path)(error)),
    }
}

fn remove(path: &Path) -> Result<(), ClusterError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ClusterError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Lines: process id, data folder, start time, port, socket folder, ... The last appears only once
/// the server has opened its sockets.
fn parse(text: &str) -> Option<Postmaster> {
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    let socket_directory = lines.nth(3).unwrap_or_default().trim().into();
    Some(Postmaster { pid, socket_directory })
}

/// Servers and their helpers work inside their data folder; nobody else's process does.
fn works_inside(pid: u32, data: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|works_in| works_in == data)
}

fn inhabitants(data: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.any(|pid| works_inside(pid, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_read_whole_or_half_written() {
        let whole = "4242\n/data\n1700000000\n5432\n/data/run\n\n  5432001    65536\nready   \n";
        assert_eq!(parse(whole), Some(Postmaster { pid: 4242, socket_directory: "/data/run".into() }));
        assert_eq!(parse("4242\n/data\n"), Some(Postmaster { pid: 4242, socket_directory: "".into() }));
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_note_naming_a_strangers_process_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let note = directory.path().join("postmaster.pid");
        std::fs::write(&note, format!("{}\n/data\n1\n5432\n/run\n", std::process::id())).unwrap();
        assert_eq!(presence(directory.path()).unwrap(), Presence::Nobody);
        assert!(!note.exists());
    }
}
