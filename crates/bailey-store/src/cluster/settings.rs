//! The configuration of the private server, written anew at each start. An operator's own settings
//! go through `ALTER SYSTEM`, which PostgreSQL reads after ours.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::account::{Account, private_directory};
use super::{ADMIN, ClusterError, PLATFORM, PLUGINS, SQL};

/// Longest path of a socket, as the kernel counts; `.s.PGSQL.5432.lock` is the longest name in it.
const SOCKET_PATH_BYTES: usize = 107;

/// The folder for the socket: beside the data, or, when that path is too long for a socket, one of
/// a short name below `/tmp` that only the account may enter.
pub(super) fn socket_directory(account: &Account, data_directory: &Path) -> Result<PathBuf, ClusterError> {
    let beside = data_directory.join("run");
    let longest = beside.as_os_str().len() + "/.s.PGSQL.5432".len();
    if longest <= SOCKET_PATH_BYTES {
        return private_directory(account, &beside);
    }
    let hash = Sha256::digest(data_directory.as_os_str().as_encoded_bytes());
    let short = format!("/tmp/bailey-{}-{}", account.uid(), hex::encode(&hash[..8]));
    private_directory(account, Path::new(&short))
}

/// Writes the three files PostgreSQL reads at start and on reload.
pub(super) fn write(
    account: &Account,
    data: &Path,
    sockets: &Path,
    throwaway: bool,
) -> Result<(), ClusterError> {
    let sockets = sockets.display().to_string().replace('\'', "''");
    let durability =
        if throwaway { "fsync = off # a throwaway cluster\nfull_page_writes = off\n" } else { "" };
    let settings = format!(
        "# Written by Bailey at each start. For settings of your own use ALTER SYSTEM.\n\
         listen_addresses = ''\n\
         unix_socket_directories = '{sockets}'\n\
         unix_socket_permissions = 0700\n\
         port = 5432\n\
         max_connections = 250\n\
         shared_buffers = 32MB\n\
         max_wal_size = 256MB\n\
         wal_level = minimal # no replicas: less to write\n\
         max_wal_senders = 0\n\
         jit = off # statements are short\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n\
         log_line_prefix = '%m [%p] '\n\
         log_min_messages = log # errors of statements go to whoever ran them, not to a file without end\n\
         log_min_error_statement = panic\n\
         {durability}"
    );
    // `peer` asks the kernel who is at the other end of the socket: no password to keep, and no
    // other account on the machine gets in. The roles Bailey makes for plugins have passwords, which
    // Bailey makes too: no account of the machine is theirs.
    let access = format!(
        "# Written by Bailey at each start: each role from Bailey's own account, into its own database.\n\
         local {PLATFORM} {PLATFORM} peer map=bailey\n\
         local {PLUGINS} {PLUGINS} peer map=bailey\n\
         local all {ADMIN} peer map=bailey\n\
         local {SQL} {SQL} peer map=bailey\n\
         local {SQL} all scram-sha-256\n\
         local all all reject\n"
    );
    let bailey = account.bailey_name().replace('"', "\"\"");
    let people: String =
        [PLATFORM, PLUGINS, SQL, ADMIN].iter().map(|role| format!("bailey \"{bailey}\" {role}\n")).collect();
    replace(account, &data.join("postgresql.conf"), &settings)?;
    replace(account, &data.join("pg_hba.conf"), &access)?;
    replace(account, &data.join("pg_ident.conf"), &people)
}

/// Writes beside and renames, so that a crash leaves the old file or the new one.
fn replace(account: &Account, path: &Path, text: &str) -> Result<(), ClusterError> {
    let beside = path.with_extension("new");
    let _ = std::fs::remove_file(&beside); // of a crash
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(ClusterError::file("write", &beside))?;
    account.own(&beside)?;
    std::fs::rename(&beside, path).map_err(ClusterError::file("replace", path))
}
