//! A checked package.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::finding::{Code, Finding, Findings};
use crate::manifest::Manifest;
use crate::{archive, directory, handlers, limits, name, tasks, unpack};

/// A plugin package that passed every check needed to run it.
#[derive(Debug, Clone)]
pub struct Package {
    /// What the author declared, with implied capabilities and undeclared commands added.
    pub manifest: Manifest,
    /// Every file, sorted by path.
    pub files: Vec<PackageFile>,
    /// The text of `requirements.txt`, if there is one.
    pub requirements: Option<String>,
    /// SHA-256 over paths and contents, 64 hexadecimal digits. The same files give the same hash,
    /// whether they came from a zip or a folder.
    pub content_hash: String,
    /// What the author should look at, though nothing of it stops the plugin.
    pub warnings: Vec<Finding>,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Relative, parts joined by `/`, never leaving the package.
    pub path: String,
    /// The content.
    pub bytes: Vec<u8>,
}

impl Package {
    /// Reads a plugin's folder. Version control, caches, virtual environments, build output and
    /// tests are left out, as the SDKs' own packers do.
    ///
    /// # Errors
    /// Everything that stops the plugin from running, with warnings in between.
    pub fn from_directory(path: &Path) -> Result<Self, Findings> {
        Self::from_files(directory::read(path)?)
    }

    /// Reads a zip. A single folder around everything is taken off.
    ///
    /// # Errors
    /// Everything that stops the plugin from running, with warnings in between.
    pub fn from_zip(bytes: &[u8]) -> Result<Self, Findings> {
        Self::from_files(archive::read(bytes)?)
    }

    /// Writes the files below `target`, read-only for everybody. They appear there all at once:
    /// written beside it, then renamed. When `target` already exists it is left as it is, so call
    /// it with a path that holds the [`content_hash`](Self::content_hash).
    ///
    /// # Errors
    /// What the file system said, and to which path.
    pub fn unpack_to(&self, target: &Path) -> std::io::Result<()> {
        unpack::unpack(&self.files, target)
    }

    /// The content of one file.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        find(&self.files, path)
    }

    fn from_files(mut files: Vec<PackageFile>) -> Result<Self, Findings> {
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let mut findings = Findings::default();
        name::check_collisions(&files, &mut findings);
        let manifest = read_manifest(&files, &mut findings);
        if find(&files, "__main__.py").is_none() {
            findings.push(missing_entry_point(&files));
        }
        let requirements = read_requirements(&files, &mut findings);
        match manifest {
            Some(mut manifest) if !findings.has_errors() => {
                handlers::merge_commands(&files, &mut manifest, &mut findings);
                tasks::compare(&files, &manifest, &mut findings);
                let content_hash = hash(&files);
                Ok(Self { manifest, files, requirements, content_hash, warnings: findings.into_vec() })
            }
            _ => Err(findings),
        }
    }
}

fn find<'a>(files: &'a [PackageFile], path: &str) -> Option<&'a [u8]> {
    let index = files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
    files.get(index).map(|file| file.bytes.as_slice())
}

fn read_manifest(files: &[PackageFile], findings: &mut Findings) -> Option<Manifest> {
    match find(files, "manifest.json") {
        Some(bytes) => Manifest::parse(bytes, findings),
        None => {
            findings.push(
                Finding::error(
                    Code::MissingManifest,
                    "There is no `manifest.json` at the top of the package.",
                )
                .at("manifest.json")
                .hint(
                    "add one with at least `id`, `name` and `version`: \
                     {\"id\": \"my_plugin\", \"name\": \"My plugin\", \"version\": \"0.1.0\"}",
                ),
            );
            None
        }
    }
}

fn missing_entry_point(files: &[PackageFile]) -> Finding {
    let finding = Finding::error(
        Code::MissingEntryPoint,
        "There is no `__main__.py` at the top of the package. It is the file that is started.",
    )
    .at("__main__.py");
    match ["plugin.py", "main.py", "bot.py"].into_iter().find(|name| find(files, name).is_some()) {
        Some(name) => finding.hint(format!("rename `{name}` to `__main__.py`")),
        None => finding.hint("create it; it ends with `plugin.run()`"),
    }
}

fn read_requirements(files: &[PackageFile], findings: &mut Findings) -> Option<String> {
    const PATH: &str = "requirements.txt";
    let bytes = find(files, PATH)?;
    if bytes.len() > limits::REQUIREMENTS_BYTES {
        let message = format!("`{PATH}` has more than {} bytes.", limits::REQUIREMENTS_BYTES);
        findings.push(Finding::error(Code::TooLarge, message).at(PATH));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.trim_start_matches('\u{feff}').to_owned()),
        Err(_) => {
            let message = format!("`{PATH}` is not UTF-8 text.");
            findings.push(
                Finding::error(Code::RequirementsEncoding, message).at(PATH).hint("save the file as UTF-8"),
            );
            None
        }
    }
}

fn hash(files: &[PackageFile]) -> String {
    let mut hasher = Sha256::new();
    for file in files {
        // Lengths first, so that no two different sets of files hash the same bytes.
        hasher.update((file.path.len() as u64).to_be_bytes());
        hasher.update(file.path.as_bytes());
        hasher.update((file.bytes.len() as u64).to_be_bytes());
        hasher.update(&file.bytes);
    }
    hex::encode(hasher.finalize())
}
