//! Makes finished packages read-only, and looks once more at what kind of thing each of them is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::BuildError;
use crate::limits;
use crate::wheel::too_large;

const READ_ONLY_FILE: u32 = 0o444;
pub(crate) const READ_ONLY_FOLDER: u32 = 0o555;
/// What is outermost while it is moved to its place.
pub(crate) const MOVING_FOLDER: u32 = 0o755;
const OWN_FOLDER: u32 = 0o700;

/// Makes everything below `root` ours, readable for all and writable for none. Returns the bytes of all
/// files.
pub(crate) fn seal(root: &Path) -> Result<u64, BuildError> {
    let mut folders = vec![root.to_path_buf()];
    let (mut next, mut files, mut bytes) = (0, 0, 0_u64);
    while let Some(folder) = folders.get(next).cloned() {
        next += 1;
        for entry in fs::read_dir(&folder).map_err(BuildError::cache("read", &folder))? {
            let entry = entry.map_err(BuildError::cache("read", &folder))?;
            let path = entry.path();
            let metadata = entry.metadata().map_err(BuildError::cache("look at", &path))?; // of a link itself
            files += 1;
            bytes = bytes.saturating_add(metadata.len());
            if files > limits::INSTALLED_FILES || bytes > limits::INSTALLED_BYTES {
                return Err(too_large());
            }
            // What was compiled in the jail belongs to the jail's user.
            if metadata.uid() != rustix::process::geteuid().as_raw() {
                std::os::unix::fs::lchown(
                    &path,
                    Some(rustix::process::geteuid().as_raw()),
                    Some(rustix::process::getegid().as_raw()),
                )
                .map_err(BuildError::cache("take over", &path))?;
            }
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() {
                set_mode(&path, READ_ONLY_FILE)?;
            } else {
                let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                return Err(BuildError::Refused { file, why: "is not a regular file" });
            }
        }
    }
    set_modes(&folders, READ_ONLY_FOLDER)?;
    Ok(bytes)
}

/// Makes a sealed folder removable again.
pub(crate) fn unseal(root: &Path) -> Result<(), BuildError> {
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        set_mode(&folder, OWN_FOLDER)?;
        for entry in fs::read_dir(&folder).map_err(BuildError::cache("read", &folder))?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

fn set_modes(paths: &[PathBuf], mode: u32) -> Result<(), BuildError> {
    paths.iter().try_for_each(|path| set_mode(path, mode))
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), BuildError> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(BuildError::cache("change the mode of", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn a_sealed_folder_is_read_only_and_a_link_in_it_refused() {
        let folder = folder_with(&["good/a.py"]);
        seal(folder.path()).unwrap();
        for (path, mode) in [("", 0o555), ("good", 0o555), ("good/a.py", 0o444)] {
            let found = fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o7777;
            assert_eq!(found, mode, "{path}");
        }
        unseal(folder.path()).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("good/link")).unwrap();
        assert!(matches!(seal(folder.path()), Err(BuildError::Refused { .. })));
    }
}
