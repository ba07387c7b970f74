//! Finding PostgreSQL's programs on this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ClusterError;
use super::account::Account;

/// The oldest major version whose SQL we speak.
const OLDEST: u32 = 15;

/// A folder holding `initdb`, `pg_ctl` and `postgres` of one version.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    directory: PathBuf,
    major: u32,
}

impl Binaries {
    /// A folder that was named comes first, then Debian's, newest first. Data that exists can only
    /// be opened by the major version that made it.
    pub(super) async fn find(
        named: Option<&Path>,
        account: &Account,
        data_version: Option<u32>,
    ) -> Result<Self, ClusterError> {
        let mut candidates: Vec<PathBuf> = named.map(Path::to_owned).into_iter().collect();
        candidates.extend(packaged());
        for directory in &candidates {
            let Some(version) = version_of(directory, account).await else { continue };
            if data_version.map_or(version >= OLDEST, |needed| needed == version) {
                return Ok(Self { directory: directory.clone(), major: version });
            }
        }
        let needed = data_version.map_or_else(|| format!("{OLDEST} or later"), |version| version.to_string());
        let mut searched: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        searched.push("/usr/lib/postgresql/*/bin".to_owned());
        Err(ClusterError::NoBinaries { needed, searched: searched.join(", ") })
    }

    /// The major version.
    pub(super) fn major(&self) -> u32 {
        self.major
    }

    /// The path of one program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Debian's and Ubuntu's folders, newest version first.
fn packaged() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    versions.iter().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))).collect()
}

/// The major version, if the folder holds all three programs.
async fn version_of(directory: &Path, account: &Account) -> Option<u32> {
    if !["initdb", "pg_ctl", "postgres"].iter().all(|name| directory.join(name).is_file()) {
        return None;
    }
    let limit = Duration::from_secs(10);
    let program = directory.join("postgres");
    let said = account.run(&program, "postgres --version", ["--version"], limit, Path::new("")).await.ok()?;
    major_version(&said)
}

/// From `postgres (PostgreSQL) 15.18 (Debian 15.18-1)`.
fn major_version(text: &str) -> Option<u32> {
    let number = text.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_version;

    #[test]
    fn versions_are_read_from_what_postgres_prints() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_version("nonsense"), None);
    }
}
