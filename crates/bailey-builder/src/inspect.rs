//! Looks over freshly installed packages before anything may use them, and makes them read-only.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::BuildError;
use crate::limits;

const READ_ONLY_FILE: u32 = 0o444;
pub(crate) const READ_ONLY_FOLDER: u32 = 0o555;
/// What is outermost while it is moved to its place.
pub(crate) const MOVING_FOLDER: u32 = 0o755;
const OWN_FOLDER: u32 = 0o700;

/// Modules Python imports by itself at every start.
const STARTUP_MODULES: &[&str] = &["sitecustomize", "usercustomize"];

/// Removes what only an installation needs, and refuses what would change Python itself.
///
/// `modules` are the top-level names of the standard library.
pub(crate) fn clean(root: &Path, modules: &HashSet<String>) -> Result<(), BuildError> {
    for entry in fs::read_dir(root).map_err(BuildError::cache("read", root))? {
        let entry = entry.map_err(BuildError::cache("read", root))?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_folder = entry.file_type().map_err(BuildError::cache("look at", &path))?.is_dir();
        if name == "bin" && is_folder {
            // Command line tools: their first lines name paths of this machine.
            fs::remove_dir_all(&path).map_err(BuildError::cache("remove", &path))?;
        } else if name == ".lock" {
            fs::remove_file(&path).map_err(BuildError::cache("remove", &path))?;
        } else if name.ends_with(".pth") {
            // Lines of code that `site` would run at every start. Plugins start without it, so
            // this only keeps such files from anyone who one day does not.
            tracing::info!(file = name, "left out a .pth file of an installed package");
            fs::remove_file(&path).map_err(BuildError::cache("remove", &path))?;
        } else {
            check_top_level(&name, is_folder, modules)?;
        }
    }
    Ok(())
}

fn check_top_level(name: &str, is_folder: bool, modules: &HashSet<String>) -> Result<(), BuildError> {
    let importable = if is_folder {
        Some(name)
    } else if [".py", ".pyc", ".so"].iter().any(|suffix| name.ends_with(suffix)) {
        name.split('.').next() // also `name.cpython-311-x86_64-linux-gnu.so`
    } else {
        None
    };
    let why = match importable {
        Some(module) if modules.contains(module) => "would hide a module of Python's standard library",
        Some(module) if STARTUP_MODULES.contains(&module) => "Python would run at every start",
        _ => return Ok(()),
    };
    Err(BuildError::Refused { file: name.chars().take(80).collect(), why })
}

/// Makes everything below `root` readable for all and writable for none.
pub(crate) fn seal(root: &Path) -> Result<(), BuildError> {
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
    set_modes(&folders, READ_ONLY_FOLDER)
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

fn too_large() -> BuildError {
    let megabytes = limits::INSTALLED_BYTES / 1024 / 1024;
    BuildError::TooLarge { limit: format!("{megabytes} MB or {} files", limits::INSTALLED_FILES) }
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

    fn modules() -> HashSet<String> {
        ["json", "_ssl"].into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn what_would_change_python_is_refused() {
        for file in [
            "json/__init__.py",
            "json.py",
            "_ssl.cpython-311-x86_64-linux-gnu.so",
            "json.pyc",
            "sitecustomize.py",
            "usercustomize/__init__.py",
        ] {
            let folder = folder_with(&["good/__init__.py", file]);
            assert!(matches!(clean(folder.path(), &modules()), Err(BuildError::Refused { .. })), "{file}");
        }
        let folder = folder_with(&["good/json.py", "jsonx.py", "json.dist-info/METADATA", "json.txt"]);
        clean(folder.path(), &modules()).unwrap();
    }

    #[test]
    fn leftovers_of_an_installation_are_removed() {
        let folder = folder_with(&["a.pth", ".lock", "bin/tool", "good/keep.pth", "good/bin/keep"]);
        clean(folder.path(), &modules()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["good"]);
        assert!(folder.path().join("good/keep.pth").exists() && folder.path().join("good/bin/keep").exists());
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
