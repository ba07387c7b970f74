//! Reads a plugin's folder: the only file reading of this crate.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::finding::{Code, Finding, Findings};
use crate::package::PackageFile;
use crate::{archive, limits, name};

const IGNORED_FOLDERS: &[&str] = &[
    ".git",
    ".github",
    ".venv",
    "venv",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    "node_modules",
    "dist",
    "build",
    "tests",
    "test",
];
const IGNORED_FILES: &[&str] = &[".DS_Store", "Thumbs.db"];
const IGNORED_SUFFIXES: &[&str] = &[".pyc", ".pyo"];

/// The regular files below `root`.
pub(crate) fn read(root: &Path) -> Result<Vec<PackageFile>, Findings> {
    let mut walk = Walk { files: Vec::new(), left: limits::UNPACKED_BYTES, findings: Findings::default() };
    let mut folders = vec![(root.to_path_buf(), String::new())];
    let mut seen = 0;
    while let Some((folder, prefix)) = folders.pop() {
        seen += 1;
        if seen > limits::FOLDERS {
            let message = format!("`{}` holds more than {} folders.", root.display(), limits::FOLDERS);
            walk.findings
                .push(Finding::error(Code::TooManyFiles, message).hint("name the plugin's own folder"));
            break;
        }
        match walk.folder(&folder, &prefix) {
            Ok(found) => folders.extend(found),
            Err(finding) => {
                walk.findings.push(finding);
                break;
            }
        }
    }
    if walk.findings.has_errors() { Err(walk.findings) } else { Ok(walk.files) }
}

struct Walk {
    files: Vec<PackageFile>,
    left: u64,
    findings: Findings,
}

impl Walk {
    /// Reads the files of one folder; its sub-folders are the result, with the prefix of their
    /// files' names.
    fn folder(&mut self, folder: &Path, prefix: &str) -> Result<Vec<(PathBuf, String)>, Finding> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
            let entry = entry.map_err(|error| unreadable(folder, &error))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            let file_name = entry.file_name();
            let Some(file_name) = file_name.to_str() else {
                let message = format!("The name {:?} is not UTF-8.", path.file_name().unwrap_or_default());
                self.findings.push(Finding::error(Code::EntryName, message).hint("rename the file"));
                continue;
            };
            if ignored(file_name) {
                continue;
            }
            let relative = format!("{prefix}{file_name}");
            if let Err(finding) = name::check(&relative) {
                self.findings.push(finding);
            } else if kind.is_dir() {
                folders.push((path, format!("{relative}/")));
            } else if kind.is_file() {
                self.file(&path, relative)?;
            } else {
                let message = format!("`{relative}` is not a regular file.");
                self.findings.push(
                    Finding::error(Code::EntryNotRegular, message)
                        .at(relative)
                        .hint("put a copy of the file in the place of a link"),
                );
            }
        }
        Ok(folders)
    }

    fn file(&mut self, path: &Path, relative: String) -> Result<(), Finding> {
        if self.files.len() == limits::FILES {
            let message = format!("The folder has more than {} files.", limits::FILES);
            return Err(Finding::error(Code::TooManyFiles, message).hint("name the plugin's own folder"));
        }
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let mut bytes = Vec::new();
        let read =
            file.take(self.left + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?
                as u64;
        self.left = self.left.checked_sub(read).ok_or_else(archive::too_large)?;
        self.files.push(PackageFile { path: relative, bytes });
        Ok(())
    }
}

fn ignored(file_name: &str) -> bool {
    IGNORED_FOLDERS.contains(&file_name)
        || IGNORED_FILES.contains(&file_name)
        || IGNORED_SUFFIXES.iter().any(|suffix| file_name.ends_with(suffix))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Finding {
    Finding::error(Code::DirectoryUnreadable, format!("`{}` cannot be read: {error}.", path.display()))
        .hint("give the path of a folder with `manifest.json` and `__main__.py` in it")
}
