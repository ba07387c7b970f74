//! What the interpreter compiled in the jail, taken over beside its sources.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::BuildError;
use crate::limits;
use crate::wheel::too_large;

/// Puts compiled files beside their sources. Below `prefix` in `compiled` lies a mirror of `root`
/// without `__pycache__`, made in the jail: links in it are not followed, and only files whose source
/// is there are taken.
pub(crate) fn add_compiled(root: &Path, compiled: &Path, prefix: &Path) -> Result<(), BuildError> {
    let mut compiled = compiled.to_path_buf();
    for part in prefix.strip_prefix("/").unwrap_or(prefix) {
        compiled.push(part);
        if !fs::symlink_metadata(&compiled).is_ok_and(|data| data.is_dir()) {
            return Ok(()); // nothing was compiled
        }
    }
    let mut folders = vec![PathBuf::new()];
    let mut taken = 0;
    while let Some(folder) = folders.pop() {
        let here = compiled.join(&folder);
        let Ok(entries) = fs::read_dir(&here) else { continue };
        for entry in entries {
            let entry = entry.map_err(BuildError::cache("read", &here))?;
            let kind = entry.file_type().map_err(BuildError::cache("look at", &here))?; // of a link itself
            let name = entry.file_name();
            let beside = root.join(&folder);
            if kind.is_dir() && beside.join(&name).is_dir() {
                folders.push(folder.join(&name));
                continue;
            }
            let source =
                name.to_str().and_then(|name| name.split_once('.')).map(|(stem, _)| format!("{stem}.py"));
            if !kind.is_file() || !source.is_some_and(|source| beside.join(source).is_file()) {
                continue;
            }
            taken += 1;
            if taken > limits::INSTALLED_FILES {
                return Err(too_large());
            }
            let cache = beside.join("__pycache__");
            if !cache.is_dir() {
                fs::DirBuilder::new()
                    .mode(0o755)
                    .create(&cache)
                    .map_err(BuildError::cache("create", &cache))?;
            }
            let target = cache.join(&name);
            fs::rename(entry.path(), &target).map_err(BuildError::cache("write", &target))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_plain_files_with_a_source_are_taken_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for made in ["packages/good", "compiled/packages/good", "compiled/packages/alone", "elsewhere/good"] {
            fs::create_dir_all(at(made)).unwrap();
        }
        for made in [
            "packages/good/a.py",
            "packages/good/b.py",
            "compiled/packages/good/a.cpython-311.pyc",
            "compiled/packages/good/no_source.cpython-311.pyc",
            "compiled/packages/alone/c.cpython-311.pyc",
            "elsewhere/good/a.cpython-311.pyc",
        ] {
            fs::write(at(made), made).unwrap();
        }
        symlink(at("elsewhere/good/a.cpython-311.pyc"), at("compiled/packages/good/b.cpython-311.pyc"))
            .unwrap();
        add_compiled(&at("packages"), &at("compiled"), Path::new("/packages")).unwrap();
        let names = |path: &str| -> Vec<_> {
            fs::read_dir(at(path))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        assert_eq!(names("packages/good/__pycache__"), ["a.cpython-311.pyc"]);
        assert_eq!(names("packages"), ["good"]);

        // The whole mirror replaced by a link to something of the host's.
        fs::remove_dir_all(at("compiled/packages")).unwrap();
        fs::remove_dir_all(at("packages/good/__pycache__")).unwrap();
        symlink(at("elsewhere"), at("compiled/packages")).unwrap();
        add_compiled(&at("packages"), &at("compiled"), Path::new("/packages")).unwrap();
        assert!(!at("packages/good/__pycache__").exists() && at("elsewhere/good/a.cpython-311.pyc").exists());
    }
}
