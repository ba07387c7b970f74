//! Packages as their authors hand them in: folders, zips, and broken ones of both.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by stopping")]

mod directory;
mod manifest;
mod random;
mod unpack;
mod zips;

use std::io::{Cursor, Write};

use bailey_package::{Code, Findings, Package, Severity};
use zip::write::SimpleFileOptions;

/// A manifest with nothing but what must be there.
const MANIFEST: &str = r#"{"id": "demo", "name": "Demo", "version": "0.1.0"}"#;
/// An entry point; nothing here runs it.
const MAIN: &str = "plugin.run()\n";

/// A zip of these files.
fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        writer.start_file(*path, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A package with this manifest.
fn with_manifest(manifest: &str) -> Result<Package, Findings> {
    Package::from_zip(&zip_of(&[("manifest.json", manifest.as_bytes()), ("__main__.py", MAIN.as_bytes())]))
}

/// The codes of the errors.
fn errors(result: Result<Package, Findings>) -> Vec<Code> {
    let findings = result.map(|package| package.manifest).expect_err("this must be refused");
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.code)
        .collect()
}

/// The codes of the warnings of a package that is fine.
fn warnings(package: &Package) -> Vec<Code> {
    package.warnings.iter().map(|finding| finding.code).collect()
}
