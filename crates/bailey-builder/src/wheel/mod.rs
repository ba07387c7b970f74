//! Looks through a wheel and unpacks it. Nothing in it is trusted: not its directory, not its sizes,
//! not its names. No code of it runs, and it is not asked where it wants to be installed.

mod rules;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use crate::error::BuildError;
use crate::limits;
use crate::lock::Locked;
use crate::requirements::{SDK_NAMES, normalised, shown};
use rules::{check_kind, check_path, count, numbers};

/// The modules that only an SDK may bring.
const SDK_MODULES: &[&str] = &["mmo_maid_sdk", "yourbot_sdk"];
/// Modules Python imports by itself at every start.
const STARTUP_MODULES: &[&str] = &["sitecustomize", "usercustomize"];
/// Lines of code that Python would run at every start. This one is known, harmless without `site`, and
/// part of a package that much depends on: it is left out instead of refused.
const KNOWN_START_FILE: (&str, &str) = ("setuptools", "distutils-precedence.pth");
/// Largest `METADATA` that is read.
const METADATA_BYTES: u64 = 4 * 1024 * 1024;

/// Where all wheels of one set are unpacked to, and what is there already.
pub(crate) struct Unpacked<'a> {
    root: &'a Path,
    /// The top-level names of the standard library.
    modules: &'a HashSet<String>,
    /// Path to the label of the package that brought it.
    files: HashMap<String, String>,
    folders: HashSet<String>,
    bytes: u64,
}

/// One file of a wheel that is wanted: its number in the archive and where it goes.
struct Entry {
    index: usize,
    place: String,
}

impl<'a> Unpacked<'a> {
    /// An empty folder, made here.
    pub(crate) fn create(root: &'a Path, modules: &'a HashSet<String>) -> Result<Self, BuildError> {
        fs::DirBuilder::new().mode(0o755).create(root).map_err(BuildError::cache("create", root))?;
        Ok(Self { root, modules, files: HashMap::new(), folders: HashSet::new(), bytes: 0 })
    }

    /// Adds a wheel.
    pub(crate) fn add(&mut self, package: &Locked, wheel: &Path) -> Result<(), BuildError> {
        let mut file = File::open(wheel).map_err(BuildError::cache("open", wheel))?;
        let entries = count(&mut file).map_err(BuildError::cache("read", wheel))?;
        match entries {
            None => return Err(package.refused("is no zip file that can be read in one way only")),
            Some(count) if count > limits::WHEEL_FILES => {
                return Err(package.refused(format!("has {count} files, more than {}", limits::WHEEL_FILES)));
            }
            Some(_) => {}
        }
        let mut archive = ZipArchive::new(file)
            .map_err(|error| package.refused(format!("cannot be read as a zip file: {error}")))?;
        let entries = self.look_through(package, &mut archive)?;
        for entry in entries {
            self.write(package, &mut archive, &entry)?;
        }
        Ok(())
    }

    /// Checks everything that can be checked before anything is written.
    fn look_through(
        &self,
        package: &Locked,
        archive: &mut ZipArchive<File>,
    ) -> Result<Vec<Entry>, BuildError> {
        if archive.has_duplicate_names() {
            return Err(package.refused("has two files of one name"));
        }
        let mut entries = Vec::new();
        let mut information = Vec::new();
        let mut promised = 0_u64;
        for index in 0..archive.len() {
            let refused = |why: String| package.refused(why);
            let entry =
                archive.by_index_data(index).map_err(|error| refused(format!("cannot be read: {error}")))?;
            let name = entry
                .name()
                .map_err(|error| refused(format!("has an unreadable name: {error}")))?
                .into_owned();
            let plain = name.strip_suffix('/').unwrap_or(&name);
            let quoted = shown(plain);
            check_path(plain).map_err(|why| refused(format!("brings `{quoted}`, {why}")))?;
            check_kind(entry.external_attributes() >> 16, name.ends_with('/'))
                .map_err(|why| refused(format!("brings `{quoted}`, {why}")))?;
            if entry.encrypted()
                || !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated)
            {
                return Err(refused(format!("brings `{quoted}`, packed in a way that is not read")));
            }
            if name.ends_with('/') {
                continue;
            }
            promised = promised.saturating_add(entry.size());
            if entry.size() > limits::INSTALLED_FILE_BYTES {
                return Err(file_too_large(package, plain));
            }
            let Some(place) = self.place(package, plain)? else { continue };
            if let Some((folder, "METADATA")) = place.split_once('/')
                && folder.ends_with(".dist-info")
            {
                information.push(Entry { index, place: place.clone() });
            }
            entries.push(Entry { index, place });
        }
        if self.bytes.saturating_add(promised) > limits::INSTALLED_BYTES {
            return Err(too_large());
        }
        let [metadata] = information.as_slice() else {
            return Err(package.refused("has not exactly one METADATA"));
        };
        check_metadata(package, archive, metadata)?;
        Ok(entries)
    }

    /// Where a file of the wheel goes, or `None` if it is left out.
    fn place(&self, package: &Locked, path: &str) -> Result<Option<String>, BuildError> {
        let refused = |why: String| Err(package.refused(why));
        let quoted = shown(path);
        let (top, rest) = path.split_once('/').unwrap_or((path, ""));
        // `<name>.data/<scheme>/...` is for elsewhere than beside the modules.
        let place = match top.strip_suffix(".data").and_then(|_| rest.split_once('/')) {
            None => path,
            Some(("purelib" | "platlib", inside)) => inside,
            Some(("headers", _)) => return Ok(None), // only for building others
            Some(("scripts", _)) => {
                return refused(format!("brings the program `{quoted}`, and plugins run none"));
            }
            Some(_) => return refused(format!("brings `{quoted}`, which belongs outside of the packages")),
        };
        let (top, rest) = place.split_once('/').unwrap_or((place, ""));
        let is_folder = !rest.is_empty();
        if place.split('/').any(|part| part == "__pycache__") {
            return Ok(None); // bytecode is compiled here, from the source beside it
        }
        if !is_folder && top.to_ascii_lowercase().ends_with(".pth") {
            if (package.name.as_str(), top) == KNOWN_START_FILE {
                return Ok(None);
            }
            return refused(format!("brings `{quoted}`, whose lines Python runs at every start"));
        }
        if top == "bin" && is_folder {
            return refused(format!("brings `{quoted}`, and plugins run no programs"));
        }
        if top.ends_with(".dist-info") && !self.is_information_of(package, top) {
            return refused(format!("brings `{quoted}`, the description of another package"));
        }
        let module = if is_folder {
            Some(top)
        } else if [".py", ".pyc", ".so"].iter().any(|suffix| top.ends_with(suffix)) {
            top.split('.').next() // also `name.cpython-311-x86_64-linux-gnu.so`
        } else {
            None
        };
        match module {
            Some(module) if self.modules.contains(module) => {
                refused(format!("brings `{quoted}`, which would hide a module of Python's standard library"))
            }
            Some(module) if STARTUP_MODULES.contains(&module) => {
                refused(format!("brings `{quoted}`, which Python would run at every start"))
            }
            Some(module) if SDK_MODULES.contains(&module) && !SDK_NAMES.contains(&package.name.as_str()) => {
                refused(format!("brings `{quoted}`, which would take the place of the SDK"))
            }
            _ => Ok(Some(place.to_owned())),
        }
    }

    fn is_information_of(&self, package: &Locked, folder: &str) -> bool {
        let stem = folder.strip_suffix(".dist-info").unwrap_or(folder);
        let name = stem.rsplit_once('-').map_or(stem, |(name, _)| name);
        normalised(name) == package.name
    }

    fn write(
        &mut self,
        package: &Locked,
        archive: &mut ZipArchive<File>,
        entry: &Entry,
    ) -> Result<(), BuildError> {
        let quoted = shown(&entry.place);
        let path = self.root.join(&entry.place);
        if let Some((folder, _)) = entry.place.rsplit_once('/') {
            self.make_folder(package, folder)?;
        }
        if self.files.len() + self.folders.len() >= limits::INSTALLED_FILES {
            return Err(too_large());
        }
        let mut content = archive
            .by_index(entry.index)
            .map_err(|error| package.refused(format!("cannot be read: {error}")))?;
        if let Some(other) = self.files.get(&entry.place) {
            // Two may bring the same (an empty `__init__.py` of a shared folder), not different things.
            let there = fs::read(&path).map_err(BuildError::cache("read", &path))?;
            // Comparing is work like unpacking, and bounded with it.
            self.bytes += there.len() as u64;
            if self.bytes > limits::INSTALLED_BYTES {
                return Err(too_large());
            }
            let mut here = Vec::new();
            let read = (&mut content).take(there.len() as u64 + 1).read_to_end(&mut here);
            return match read {
                Ok(_) if here == there => Ok(()),
                _ => {
                    Err(package
                        .refused(format!("brings `{quoted}`, and so does {other}, with other content")))
                }
            };
        }
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path).map_err(|error| {
                package.refused(format!("brings `{quoted}`, which cannot be unpacked: {error}"))
            })?;
        // What the archive's directory says about sizes is not believed.
        let most = limits::INSTALLED_FILE_BYTES.min(limits::INSTALLED_BYTES - self.bytes);
        let mut left = most + 1;
        let mut chunk = vec![0; 1 << 16];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            let read = content.read(&mut chunk[..wanted]).map_err(|error| {
                package.refused(format!("brings `{quoted}`, which cannot be unpacked: {error}"))
            })?;
            if read == 0 {
                break;
            }
            file.write_all(&chunk[..read]).map_err(BuildError::cache("write", &path))?;
            left -= read as u64;
        }
        if left == 0 {
            let whole = most < limits::INSTALLED_FILE_BYTES;
            return Err(if whole { too_large() } else { file_too_large(package, &entry.place) });
        }
        self.bytes += most + 1 - left;
        self.files.insert(entry.place.clone(), package.label());
        Ok(())
    }

    fn make_folder(&mut self, package: &Locked, folder: &str) -> Result<(), BuildError> {
        if self.folders.contains(folder) {
            return Ok(());
        }
        if let Some((above, _)) = folder.rsplit_once('/') {
            self.make_folder(package, above)?;
        }
        let path = self.root.join(folder);
        fs::DirBuilder::new().mode(0o755).create(&path).map_err(|error| {
            package.refused(format!("brings the folder `{}`, which cannot be made: {error}", shown(folder)))
        })?;
        self.folders.insert(folder.to_owned());
        Ok(())
    }
}

/// The description must be of the package it was fetched as.
fn check_metadata(package: &Locked, archive: &mut ZipArchive<File>, entry: &Entry) -> Result<(), BuildError> {
    let unreadable = |error: String| package.refused(format!("has an unreadable METADATA: {error}"));
    let content = archive.by_index(entry.index).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    content.take(METADATA_BYTES).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8_lossy(&bytes);
    let field = |wanted: &str| {
        text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let (name, version) = (field("Name").unwrap_or_default(), field("Version").unwrap_or_default());
    if normalised(name) != package.name || numbers(version) != numbers(&package.version) {
        let said = shown(&format!("{name} {version}"));
        return Err(package.refused(format!("describes itself as `{said}`")));
    }
    Ok(())
}

fn file_too_large(package: &Locked, path: &str) -> BuildError {
    let megabytes = limits::INSTALLED_FILE_BYTES / 1024 / 1024;
    package.refused(format!("brings `{}`, a file of more than {megabytes} MB", shown(path)))
}

/// The same words for wheels and for what compiling adds.
pub(crate) fn too_large() -> BuildError {
    let megabytes = limits::INSTALLED_BYTES / 1024 / 1024;
    BuildError::TooLarge { limit: format!("{megabytes} MB or {} files", limits::INSTALLED_FILES) }
}
