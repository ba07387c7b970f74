//! Writes a package for mounting: read-only, all at once.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::package::PackageFile;

const READ_ONLY_FILE: u32 = 0o444;
const READ_ONLY_FOLDER: u32 = 0o555;
const MOVING_FOLDER: u32 = 0o755;
const OWN_FOLDER: u32 = 0o700;

pub(crate) fn unpack(files: &[PackageFile], target: &Path) -> io::Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(|error| told("create", parent, error))?;
    let scratch = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent)?;
    let mut folders = vec![scratch.path().to_path_buf()];
    for file in files {
        write(scratch.path(), file, &mut folders)?;
    }
    // Deepest first: a folder that is read-only takes no more changes. The outermost one comes last
    // of all, for nobody but root may move a folder that is read-only.
    for folder in folders.iter().skip(1).rev() {
        set_mode(folder, READ_ONLY_FOLDER)?;
    }
    set_mode(scratch.path(), MOVING_FOLDER)?;
    match fs::rename(scratch.path(), target) {
        Ok(()) => {
            let _moved = scratch.keep(); // nothing is left there to remove
            set_mode(target, READ_ONLY_FOLDER)
        }
        Err(error) => {
            for folder in &folders {
                set_mode(folder, OWN_FOLDER)?; // so that the scratch folder can be removed
            }
            // Somebody else was faster with the same content.
            if target.is_dir() { Ok(()) } else { Err(told("create", target, error)) }
        }
    }
}

fn write(root: &Path, file: &PackageFile, folders: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut folder = root.to_path_buf();
    let (parents, _) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    for part in parents.split('/').filter(|part| !part.is_empty()) {
        folder.push(part);
        match fs::create_dir(&folder) {
            Ok(()) => folders.push(folder.clone()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(told("create", &folder, error)),
        }
    }
    let path = root.join(&file.path);
    let mut written = File::create_new(&path).map_err(|error| told("create", &path, error))?;
    written
        .write_all(&file.bytes)
        .and_then(|()| written.sync_all())
        .map_err(|error| told("write", &path, error))?;
    set_mode(&path, READ_ONLY_FILE)
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| told("make read-only", path, error))
}

fn told(what: &str, path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("could not {what} `{}`: {error}", path.display()))
}
