//! Zips, honest and hostile.

use std::io::{Cursor, Write};

use bailey_package::{Code, Package, limits};
use zip::write::SimpleFileOptions;

use crate::{MAIN, MANIFEST, errors, zip_of};

const BASE: [(&str, &[u8]); 2] = [("manifest.json", MANIFEST.as_bytes()), ("__main__.py", MAIN.as_bytes())];

fn with(more: &[(&str, &[u8])]) -> Vec<u8> {
    zip_of(&[&BASE[..], more].concat())
}

/// The same archive with one name replaced by another of the same length, as no writer would make.
fn renamed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut changed = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = changed[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
        changed[at + found..at + found + to.len()].copy_from_slice(to.as_bytes());
        at += found + to.len();
    }
    changed
}

#[test]
fn a_good_zip_is_read_and_sorted() {
    let package =
        Package::from_zip(&with(&[("lib/a.py", b"1"), ("requirements.txt", b"yourbot-sdk\n")])).unwrap();
    let paths: Vec<_> = package.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["__main__.py", "lib/a.py", "manifest.json", "requirements.txt"]);
    assert_eq!(package.requirements.as_deref(), Some("yourbot-sdk\n"));
    assert_eq!(package.content_hash.len(), 64);
    assert_eq!(package.file("lib/a.py"), Some(&b"1"[..]));
}

#[test]
fn the_hash_depends_on_names_and_contents_only() {
    let hash = |files: &[(&str, &[u8])]| Package::from_zip(&with(files)).unwrap().content_hash;
    assert_eq!(hash(&[("a", b"1"), ("b", b"2")]), hash(&[("b", b"2"), ("a", b"1")]));
    assert_ne!(hash(&[("a", b"1")]), hash(&[("a", b"2")]));
    assert_ne!(hash(&[("ab", b"c")]), hash(&[("a", b"bc")]));
}

#[test]
fn one_wrapping_folder_is_taken_off() {
    let wrapped = zip_of(&[
        ("demo-main/manifest.json", MANIFEST.as_bytes()),
        ("demo-main/__main__.py", MAIN.as_bytes()),
        ("demo-main/lib/a.py", b"1"),
        ("__MACOSX/demo-main/._manifest.json", b"junk"),
    ]);
    let plain = with(&[("lib/a.py", b"1")]);
    assert_eq!(
        Package::from_zip(&wrapped).unwrap().content_hash,
        Package::from_zip(&plain).unwrap().content_hash
    );
    let twice = zip_of(&[("a/b/manifest.json", MANIFEST.as_bytes()), ("a/b/__main__.py", MAIN.as_bytes())]);
    assert_eq!(errors(Package::from_zip(&twice)), [Code::MissingManifest, Code::MissingEntryPoint]);
}

#[test]
fn missing_parts_are_named() {
    assert_eq!(errors(Package::from_zip(&zip_of(&BASE[..1]))), [Code::MissingEntryPoint]);
    assert_eq!(errors(Package::from_zip(&zip_of(&BASE[1..]))), [Code::MissingManifest]);
    let old = zip_of(&[BASE[0], ("plugin.py", b"")]);
    assert!(Package::from_zip(&old).unwrap_err().to_string().contains("rename `plugin.py` to `__main__.py`"));
}

#[test]
fn what_is_no_zip_is_unreadable() {
    for bytes in [&b""[..], b"hello", &with(&[])[..40]] {
        assert_eq!(errors(Package::from_zip(bytes)), [Code::ArtifactUnreadable]);
    }
}

#[test]
fn names_that_leave_the_package_are_refused() {
    let bytes = with(&[("abcdefgh", b"x")]);
    for name in
        ["../../ab", "/etc/abc", "a/../../b", "a\\b\\c\\de", "C:/abcde", "a//bcdef", "./abcdef", "a\0bcdefg"]
    {
        let name = name.get(..8).unwrap_or(name);
        let name = format!("{name:x<8}");
        assert_eq!(
            errors(Package::from_zip(&renamed(&bytes, "abcdefgh", &name))),
            [Code::EntryName],
            "{name:?}"
        );
    }
}

#[test]
fn duplicates_are_refused_also_those_differing_in_case() {
    let bytes = with(&[("same_a", b"1"), ("same_b", b"2")]);
    for (to, code) in [("same_a", Code::EntryDuplicate), ("SAME_A", Code::EntryDuplicate)] {
        assert_eq!(errors(Package::from_zip(&renamed(&bytes, "same_b", to))), [code]);
    }
    let bytes = with(&[("lib", b"1"), ("lib/a.py", b"2")]);
    assert_eq!(errors(Package::from_zip(&bytes)), [Code::EntryDuplicate]);
}

#[test]
fn links_and_devices_are_refused() {
    let mut writer = zip::ZipWriter::new(Cursor::new(zip_of(&BASE)));
    writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let linked = writer.finish().unwrap().into_inner();
    assert_eq!(errors(Package::from_zip(&linked)), [Code::EntryNotRegular]);

    // A character device: the mode stands in the upper half of the external attributes.
    let mut device = zip_of(&[("aaaa.txt", b"x")]);
    let central = device.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    device[central + 40..central + 42].copy_from_slice(&0o020_644_u16.to_le_bytes());
    assert!(errors(Package::from_zip(&device)).contains(&Code::EntryNotRegular));
}

#[test]
fn an_encrypted_entry_is_refused() {
    let mut bytes = with(&[]);
    for (signature, offset) in [(b"PK\x01\x02", 8), (b"PK\x03\x04", 6)] {
        let found = bytes.windows(4).position(|window| window == signature).unwrap();
        bytes[found + offset] |= 1;
    }
    assert_eq!(errors(Package::from_zip(&bytes)), [Code::EntryEncrypted]);
}

#[test]
fn sizes_and_counts_are_limited() {
    let names: Vec<String> = (0..199).map(|number| format!("f{number}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(Package::from_zip(&with(&many[..198])).is_ok());
    assert_eq!(errors(Package::from_zip(&with(&many))), [Code::TooManyFiles]);

    let large = vec![0; usize::try_from(limits::UNPACKED_BYTES).unwrap() + 1];
    let bomb = with(&[("zeros", &large)]);
    assert!(bomb.len() < 100_000);
    assert_eq!(errors(Package::from_zip(&bomb)), [Code::TooLarge]);

    assert_eq!(errors(Package::from_zip(&vec![0; limits::PACKED_BYTES + 1])), [Code::TooLarge]);
    let long = " ".repeat(limits::MANIFEST_BYTES + 1);
    assert_eq!(
        errors(Package::from_zip(&zip_of(&[("manifest.json", long.as_bytes()), BASE[1]]))),
        [Code::TooLarge]
    );
}

#[test]
fn a_header_that_lies_about_the_size_gains_nothing() {
    let large = vec![0; 1_000_000];
    let mut bytes = with(&[("zeros", &large)]);
    for (signature, offset) in [(b"PK\x01\x02", 24), (b"PK\x03\x04", 22)] {
        let found = bytes.windows(4).rposition(|window| window == signature).unwrap();
        bytes[found + offset..found + offset + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
    assert_eq!(errors(Package::from_zip(&bytes)), [Code::ArtifactUnreadable]);
}

#[test]
fn folders_in_the_archive_are_no_files() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_directory("lib/", SimpleFileOptions::default()).unwrap();
    for (path, bytes) in BASE {
        writer.start_file(path, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    let package = Package::from_zip(&writer.finish().unwrap().into_inner()).unwrap();
    assert_eq!(package.files.len(), 2);
}
