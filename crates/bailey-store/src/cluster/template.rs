//! A fresh cluster kept to be copied, for servers that live minutes: `initdb` takes seconds, a
//! copy a fraction of one. Where the copy is not to be had, the caller makes a cluster as usual.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::account::{self, Account};
use super::binaries::Binaries;
use super::{ClusterError, run_initdb};

/// Time for a copy of some forty megabytes.
const COPY_LIMIT: Duration = Duration::from_secs(60);

/// Copies a fresh cluster into `partial`, an empty folder of the account's, making the template first if there is
/// none in `templates`. False when the account cannot reach `templates`.
pub(super) async fn copy(
    account: &Account,
    binaries: &Binaries,
    templates: &Path,
    partial: &Path,
) -> Result<bool, ClusterError> {
    let Some(template) = find_or_make(account, binaries, templates).await? else { return Ok(false) };
    let flags: [&OsStr; 3] = ["-a".as_ref(), "--reflink=auto".as_ref(), "-T".as_ref()];
    let arguments = flags.into_iter().chain([template.as_os_str(), partial.as_os_str()]);
    let log = template.join("postgresql.log");
    account.run(Path::new("/bin/cp"), "cp", arguments, COPY_LIMIT, &log).await?;
    Ok(true)
}

async fn find_or_make(
    account: &Account,
    binaries: &Binaries,
    templates: &Path,
) -> Result<Option<PathBuf>, ClusterError> {
    std::fs::create_dir_all(templates).map_err(ClusterError::file("create", templates))?;
    if account.check_reach(templates).await.is_err() {
        return Ok(None);
    }
    let name = format!("{}-{}", binaries.major(), account.uid());
    let template = templates.join(&name);
    if template.join("PG_VERSION").exists() {
        return Ok(Some(template));
    }
    // Made aside and moved when complete; if somebody else was quicker, theirs is as good.
    let partial = tempfile_name(templates, &name);
    account::private_directory(account, &partial)?;
    run_initdb(account, binaries, &partial).await?;
    if let Err(error) = std::fs::rename(&partial, &template) {
        let _ = std::fs::remove_dir_all(&partial);
        if !template.join("PG_VERSION").exists() {
            return Err(ClusterError::file("move into place", &template)(error));
        }
    }
    Ok(Some(template))
}

fn tempfile_name(templates: &Path, name: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    templates.join(format!(".{name}.{}-{number}", std::process::id()))
}
