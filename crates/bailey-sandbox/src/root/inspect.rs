//! Asks an interpreter where its parts are, and the system's loader which libraries they need.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde::Deserialize;

use super::RootError;

/// Standard library folders nobody needs in a sandbox: tests, windows, installers, build files.
const LEFT_OUT_FOLDERS: &[&str] = &[
    "test",
    "tests",
    "idle_test",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "lib2to3",
    "site-packages",
    "dist-packages",
    "__pycache__",
];
/// The same for files, by the beginning of their names.
const LEFT_OUT_FILES: &[&str] =
    &["_tkinter", "_test", "_ctypes_test", "_xx", "xxlimited", "turtle.py", "sitecustomize"];
/// How deep the standard library is followed.
const DEPTH: usize = 8;

/// Libraries that nothing names but that are needed: `libgcc_s` is loaded when a thread ends, the
/// others are what binary wheels may expect of a system.
const ALSO_REQUIRED: &str = "libgcc_s.so.1";
const ALSO_WELCOME: &[&str] = &[
    "libstdc++.so.6",
    "libz.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
];

/// Where the time zones are.
const ZONES: &str = "/usr/share/zoneinfo";

/// The parts of an interpreter, as paths on the host.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) interpreter: PathBuf,
    pub(super) loader: PathBuf,
    pub(super) version: String,
    /// The folders that hold the standard library; compiled after copying.
    pub(super) libraries: Vec<PathBuf>,
    /// Files to copy: place in the root, and where from.
    pub(super) files: BTreeMap<PathBuf, PathBuf>,
}

#[derive(Deserialize)]
struct Answer {
    version: String,
    folders: Vec<PathBuf>,
}

const QUESTION: &str = "\
import json, sys, sysconfig
names = [sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib'), sysconfig.get_config_var('DESTSHARED')]
print(json.dumps({'version': '%d.%d' % sys.version_info[:2], 'folders': [name for name in names if name]}))
";

/// Finds every part of the interpreter.
pub(super) fn inspect(python: &Path) -> Result<Facts, RootError> {
    let unusable = |reason: String| RootError::Interpreter { python: python.to_owned(), reason };
    let interpreter = fs::canonicalize(python).map_err(|error| unusable(error.to_string()))?;
    let output = run(&interpreter, ["-I", "-S", "-c", QUESTION]).map_err(unusable)?;
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|error| unusable(format!("unexpected answer: {error}")))?;

    let mut libraries: Vec<PathBuf> = Vec::new();
    for folder in &answer.folders {
        if folder.is_dir() && !libraries.iter().any(|known| folder.starts_with(known)) {
            libraries.push(folder.clone());
        }
    }
    let mut files = BTreeMap::new();
    for folder in &libraries {
        collect(folder, folder, DEPTH, &is_left_out, &mut files);
    }
    if !files.keys().any(|path| path.ends_with("encodings/__init__.py")) {
        return Err(unusable("its standard library was not found".to_owned()));
    }
    let mut binaries: Vec<PathBuf> = files.keys().filter(|path| is_shared_object(path)).cloned().collect();
    binaries.push(interpreter.clone());
    let loader = add_shared_libraries(binaries, &mut files)?;
    let skipped_zones =
        |path: &Path| matches!(path.file_name().and_then(OsStr::to_str), Some("posix" | "right"));
    collect(Path::new(ZONES), Path::new(ZONES), 3, &skipped_zones, &mut files);
    files.insert(interpreter.clone(), interpreter.clone());
    Ok(Facts { interpreter, loader, version: answer.version, libraries, files })
}

/// Notes every regular file below a folder, links followed.
fn collect(
    folder: &Path,
    source: &Path,
    depth: usize,
    left_out: &dyn Fn(&Path) -> bool,
    files: &mut BTreeMap<PathBuf, PathBuf>,
) {
    let Ok(entries) = fs::read_dir(source) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let place = folder.join(entry.file_name());
        if left_out(&path) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(data) if data.is_file() => {
                files.insert(place, path);
            }
            Ok(data) if data.is_dir() && depth > 0 => collect(&place, &path, depth - 1, left_out, files),
            _ => {} // a dangling link, a socket
        }
    }
}

fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or("");
    if path.is_dir() {
        return LEFT_OUT_FOLDERS.contains(&name) || name.starts_with("config-");
    }
    LEFT_OUT_FILES.iter().any(|start| name.starts_with(start))
        || name.ends_with(".a")
        || name.ends_with(".pyc")
}

fn is_shared_object(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "so")
}

/// Adds every library the binaries need; returns the dynamic loader.
fn add_shared_libraries(
    mut binaries: Vec<PathBuf>,
    files: &mut BTreeMap<PathBuf, PathBuf>,
) -> Result<PathBuf, RootError> {
    let first = needed(&binaries)?;
    let missing = |name: &str, package| RootError::Library { name: name.to_owned(), package };
    let libc = first.libraries.get("libc.so.6").ok_or_else(|| missing("libc.so.6", "libc6"))?.clone();
    let loader = first.loader.clone().ok_or_else(|| missing("the dynamic loader", "libc6"))?;
    let home = libc.parent().unwrap_or(Path::new("/lib")).to_owned();
    let places = [home.clone(), Path::new("/usr").join(home.strip_prefix("/").unwrap_or(&home))];
    let locate = |name: &str| places.iter().map(|place| place.join(name)).find(|path| path.is_file());
    binaries.push(locate(ALSO_REQUIRED).ok_or_else(|| missing(ALSO_REQUIRED, "libgcc-s1"))?);
    let extra: Vec<PathBuf> = ALSO_WELCOME.iter().filter_map(|name| locate(name)).collect();
    let also = [ALSO_REQUIRED]
        .iter()
        .chain(ALSO_WELCOME)
        .filter_map(|name| Some(((*name).to_owned(), locate(name)?)));
    let mut all: BTreeMap<String, PathBuf> = also.collect();
    binaries.extend(extra);
    all.extend(needed(&binaries)?.libraries);
    for (name, path) in all {
        // Where the program expects it, and where the loader looks without a cache file.
        files.insert(home.join(&name), path.clone());
        files.insert(path.clone(), path);
    }
    files.insert(loader.clone(), loader.clone());
    Ok(loader)
}

#[derive(Default)]
struct Needed {
    loader: Option<PathBuf>,
    libraries: BTreeMap<String, PathBuf>,
}

/// Asks the system's loader, as `ldd` does. The binaries are the operator's own Python.
fn needed(binaries: &[PathBuf]) -> Result<Needed, RootError> {
    let unusable = |reason: String| RootError::Interpreter {
        python: binaries.last().cloned().unwrap_or_default(),
        reason: format!("ldd: {reason}"),
    };
    let output = run(Path::new("ldd"), binaries).map_err(unusable)?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(text: &str) -> Result<Needed, RootError> {
    let mut needed = Needed::default();
    for line in text.lines().map(str::trim) {
        if let Some((name, rest)) = line.split_once(" => ") {
            if rest.starts_with("not found") {
                return Err(RootError::Library { name: name.to_owned(), package: "see apt-file search" });
            }
            let path = rest.split(" (0x").next().unwrap_or(rest);
            if path.starts_with('/') {
                needed.libraries.insert(base_name(name), path.into());
            }
        } else if let Some((path, _)) = line.split_once(" (0x")
            && path.starts_with('/')
        {
            if path.contains("/ld-") {
                needed.loader = Some(path.into());
            } else {
                needed.libraries.insert(base_name(path), path.into());
            }
        }
    }
    Ok(needed)
}

fn base_name(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// Runs a program of the operator's with nothing of our environment but the search path.
#[expect(clippy::disallowed_methods, reason = "asks the configured interpreter, which the operator trusts")]
pub(super) fn run<A: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Output, String> {
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .current_dir("/")
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}", output.status, said.lines().next_back().unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_answer_is_read() {
        let text = "/usr/bin/python3.11:\n\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x/libm.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n\tstatically linked\n";
        let needed = parse(text).unwrap();
        assert_eq!(needed.loader, Some("/lib64/ld-linux-x86-64.so.2".into()));
        assert_eq!(needed.libraries, BTreeMap::from([("libm.so.6".to_owned(), "/lib/x/libm.so.6".into())]));
        assert!(parse("\tlibgone.so.1 => not found\n").is_err());
    }
}
