//! Reads a zip from memory, believing nothing its headers say about size, place or kind.

use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use crate::finding::{Code, Finding, Findings};
use crate::package::PackageFile;
use crate::{limits, name};

/// The regular files of a zip, without a folder that wraps them all.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<PackageFile>, Findings> {
    if bytes.len() > limits::PACKED_BYTES {
        let message =
            format!("The archive has {} bytes; at most {} are allowed.", bytes.len(), limits::PACKED_BYTES);
        return Err(Finding::error(Code::TooLarge, message)
            .hint("leave out what the plugin does not need")
            .into());
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| {
        Finding::error(
            Code::ArtifactUnreadable,
            format!("The file cannot be read as a zip archive: {error}."),
        )
        .hint("pack the plugin's folder as a plain zip file")
    })?;

    let mut findings = Findings::default();
    if archive.has_duplicate_names() {
        let message = "Two entries of the archive have the same name.";
        findings
            .push(Finding::error(Code::EntryDuplicate, message).hint("pack the folder again from scratch"));
    }
    let entries = check_entries(&archive, &mut findings);
    if findings.has_errors() {
        return Err(findings);
    }
    let files = read_entries(&mut archive, entries)?;
    Ok(without_wrapping_folder(files))
}

/// What to read: the entry's index and its name.
type Entry = (usize, String);

fn check_entries(archive: &ZipArchive<Cursor<&[u8]>>, findings: &mut Findings) -> Vec<Entry> {
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        match check_entry(archive, index) {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => {}
            Err(finding) => findings.push(finding),
        }
        if entries.len() > limits::FILES {
            findings.push(
                Finding::error(
                    Code::TooManyFiles,
                    format!("The archive has more than {} files.", limits::FILES),
                )
                .hint("leave out caches, tests and virtual environments"),
            );
            break;
        }
    }
    entries
}

/// `None` for folders and for the shadow files macOS adds.
fn check_entry(archive: &ZipArchive<Cursor<&[u8]>>, index: usize) -> Result<Option<Entry>, Finding> {
    let unreadable = |error| {
        Finding::error(
            Code::ArtifactUnreadable,
            format!("Entry {index} of the archive cannot be read: {error}."),
        )
    };
    let entry = archive.by_index_data(index).map_err(unreadable)?;
    let full_name = entry.name().map_err(unreadable)?.into_owned();
    let plain = full_name.strip_suffix('/').unwrap_or(&full_name);
    name::check(plain)?;

    const KIND: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    const FOLDER: u32 = 0o040_000;
    // The upper half of the attributes is the Unix mode; other systems leave it empty.
    let kind = (entry.external_attributes() >> 16) & KIND;
    let is_folder = full_name.ends_with('/');
    let expected = if is_folder { FOLDER } else { REGULAR };
    if kind != 0 && kind != expected {
        let message = format!("`{plain}` is not a regular file.");
        return Err(Finding::error(Code::EntryNotRegular, message)
            .at(plain)
            .hint("put a copy of the file in the place of a link"));
    }
    if is_folder || plain.starts_with("__MACOSX/") {
        return Ok(None);
    }
    if entry.encrypted() {
        let message = format!("`{plain}` is encrypted.");
        return Err(Finding::error(Code::EntryEncrypted, message).at(plain).hint("pack without a password"));
    }
    if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
        let message = format!("`{plain}` is compressed by a method that is not supported.");
        return Err(Finding::error(Code::ArtifactUnreadable, message)
            .at(plain)
            .hint("pack with plain `zip`"));
    }
    Ok(Some((index, plain.to_owned())))
}

fn read_entries(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    entries: Vec<Entry>,
) -> Result<Vec<PackageFile>, Finding> {
    let mut left = limits::UNPACKED_BYTES;
    let mut files = Vec::with_capacity(entries.len());
    for (index, path) in entries {
        let unreadable = |error: &dyn std::fmt::Display| {
            Finding::error(Code::ArtifactUnreadable, format!("`{path}` cannot be unpacked: {error}."))
                .at(&path)
        };
        let entry = archive.by_index(index).map_err(|error| unreadable(&error))?;
        let mut bytes = Vec::new();
        let read = entry.take(left + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        left = left.checked_sub(read as u64).ok_or_else(too_large)?;
        files.push(PackageFile { path, bytes });
    }
    Ok(files)
}

/// Shared with folders: the same limit, the same words.
pub(crate) fn too_large() -> Finding {
    Finding::error(
        Code::TooLarge,
        format!("The files have more than {} bytes together.", limits::UNPACKED_BYTES),
    )
    .hint("leave out what the plugin does not need")
}

/// GitHub's archives and "compress this folder" put everything into one folder.
fn without_wrapping_folder(mut files: Vec<PackageFile>) -> Vec<PackageFile> {
    let Some((folder, _)) = files.first().and_then(|file| file.path.split_once('/')) else { return files };
    let prefix = format!("{folder}/");
    if files.iter().all(|file| file.path.starts_with(&prefix)) {
        for file in &mut files {
            file.path.drain(..prefix.len());
        }
    }
    files
}
