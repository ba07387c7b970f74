//! Copies the parts of an interpreter into a new root and compiles its library.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    RootError, file,
    inspect::{Facts, run},
};

/// Change this when the layout of a root changes: it is part of every root's identity.
const LAYOUT_VERSION: u32 = 1;

/// Empty folders that something is mounted on.
const MOUNT_POINTS: &[&str] = &["plugin", "packages", "tmp", "proc", "dev"];
/// Empty files that a host device is mounted on.
const DEVICE_POINTS: &[&str] = &["dev/null", "dev/urandom"];

/// Text files of our own. The processes' user ids differ, so `passwd` names only the fixed ones.
const OWN_FILES: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/:/nonexistent\nplugin:x:65534:65534:plugin:/tmp:/nonexistent\n"),
    ("etc/group", "root:x:0:\nplugin:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
];
/// What puts `/packages` on the module search path.
const SITE_CUSTOMIZE: &str = include_str!("sitecustomize.py");

/// What goes where, and a name for exactly that.
pub(super) struct Layout {
    files: Vec<(PathBuf, PathBuf)>,
    interpreter: PathBuf,
    libraries: Vec<PathBuf>,
    identity: String,
}

impl Layout {
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }
}

/// Lays out the root and names it by its sources: paths, sizes, modification times, and our files.
pub(super) fn plan(facts: &Facts) -> Result<Layout, RootError> {
    let mut text =
        format!("layout {LAYOUT_VERSION} python {}\n{SITE_CUSTOMIZE}\n{OWN_FILES:?}\n", facts.version);
    for (place, source) in &facts.files {
        let data = file("look at", source, fs::metadata(source))?;
        let (seconds, nanoseconds) = (data.mtime(), data.mtime_nsec());
        // Writing to a String cannot fail.
        let _infallible = writeln!(
            text,
            "{} {} {} {seconds}.{nanoseconds}",
            place.display(),
            source.display(),
            data.size()
        );
    }
    Ok(Layout {
        files: facts.files.iter().map(|(place, source)| (place.clone(), source.clone())).collect(),
        interpreter: facts.interpreter.clone(),
        libraries: facts.libraries.clone(),
        identity: hex::encode(Sha256::digest(text)),
    })
}

/// Makes the root in a folder that does not exist yet.
pub(super) fn assemble(python: &Path, layout: &Layout, root: &Path) -> Result<(), RootError> {
    let inside = |place: &Path| root.join(place.strip_prefix("/").unwrap_or(place));
    for folder in MOUNT_POINTS {
        make_folder(root, &root.join(folder))?;
    }
    for (place, source) in &layout.files {
        let target = inside(place);
        // The interpreter can be executed but not read, which makes the running process one that
        // nobody can trace or dump. Everything else can be read by every user.
        let mode = if *place == layout.interpreter { 0o111 } else { 0o444 };
        make_parent(root, &target)?;
        file("copy", source, fs::copy(source, &target).map(drop))?;
        set_mode(&target, mode | (if is_loader(place) { 0o111 } else { 0 }))?;
    }
    let points = DEVICE_POINTS.iter().map(|point| (*point, ""));
    for (place, text) in OWN_FILES.iter().copied().chain(points) {
        write(root, &root.join(place), text)?;
    }
    if let Some(library) = layout.libraries.first() {
        write(root, &inside(library).join("sitecustomize.py"), SITE_CUSTOMIZE)?;
    }
    for library in &layout.libraries {
        compile(python, root, &inside(library))?;
    }
    protect(root)
}

fn is_loader(place: &Path) -> bool {
    place.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ld-"))
}

fn make_folder(root: &Path, folder: &Path) -> Result<(), RootError> {
    file("make folder", folder, fs::create_dir_all(folder))?;
    debug_assert!(folder.starts_with(root));
    Ok(())
}

fn make_parent(root: &Path, target: &Path) -> Result<(), RootError> {
    target.parent().map_or(Ok(()), |parent| make_folder(root, parent))
}

fn write(root: &Path, target: &Path, text: &str) -> Result<(), RootError> {
    make_parent(root, target)?;
    file("write", target, fs::write(target, text))?;
    set_mode(target, 0o444)
}

fn set_mode(target: &Path, mode: u32) -> Result<(), RootError> {
    file("set the mode of", target, fs::set_permissions(target, fs::Permissions::from_mode(mode)))
}

/// Compiles a library for a start without looking at any source file.
fn compile(python: &Path, root: &Path, library: &Path) -> Result<(), RootError> {
    let arguments: [&std::ffi::OsStr; 12] = [
        "-I".as_ref(),
        "-S".as_ref(),
        "-m".as_ref(),
        "compileall".as_ref(),
        "-q".as_ref(),
        "--invalidation-mode".as_ref(),
        "unchecked-hash".as_ref(),
        "-s".as_ref(),
        root.as_os_str(),
        "-p".as_ref(),
        "/".as_ref(),
        library.as_os_str(),
    ];
    run(python, arguments).map(drop).map_err(|reason| RootError::Interpreter {
        python: python.to_owned(),
        reason: format!("cannot compile its library: {reason}"),
    })
}

/// Sets the mode of every folder and of the compiled files, whatever our umask was.
fn protect(folder: &Path) -> Result<(), RootError> {
    set_mode(folder, 0o755)?;
    for entry in file("list", folder, fs::read_dir(folder))? {
        let entry = file("list", folder, entry)?;
        let kind = file("look at", folder, entry.file_type())?;
        if kind.is_dir() {
            protect(&entry.path())?;
        } else if entry.path().extension().is_some_and(|extension| extension == "pyc") {
            set_mode(&entry.path(), 0o444)?;
        }
    }
    Ok(())
}
