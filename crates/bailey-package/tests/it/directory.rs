//! Folders as an author works in them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use bailey_package::{Code, Package};

use crate::{MAIN, MANIFEST, errors};

fn plugin() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("manifest.json"), MANIFEST).unwrap();
    fs::write(folder.path().join("__main__.py"), MAIN).unwrap();
    folder
}

#[test]
fn what_is_no_part_of_the_plugin_is_left_out() {
    let folder = plugin();
    for ignored in [
        ".git/config",
        ".venv/lib/x.py",
        "__pycache__/a.pyc",
        "tests/test_a.py",
        "lib/__pycache__/b.pyc",
        "dist/x",
    ] {
        let path = folder.path().join(ignored);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    fs::write(folder.path().join("lib/tools.py"), "1").unwrap();
    fs::write(folder.path().join("lib/tools.pyc"), "1").unwrap();
    fs::write(folder.path().join(".DS_Store"), "1").unwrap();
    let package = Package::from_directory(folder.path()).unwrap();
    let paths: Vec<_> = package.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["__main__.py", "lib/tools.py", "manifest.json"]);
}

#[test]
fn a_folder_and_its_zip_have_the_same_hash() {
    let folder = plugin();
    let zip = crate::zip_of(&[("manifest.json", MANIFEST.as_bytes()), ("__main__.py", MAIN.as_bytes())]);
    assert_eq!(
        Package::from_directory(folder.path()).unwrap().content_hash,
        Package::from_zip(&zip).unwrap().content_hash
    );
}

#[test]
fn links_are_refused_wherever_they_point() {
    let folder = plugin();
    symlink("/etc/passwd", folder.path().join("passwd")).unwrap();
    assert_eq!(errors(Package::from_directory(folder.path())), [Code::EntryNotRegular]);
    let folder = plugin();
    symlink("/etc", folder.path().join("etc")).unwrap();
    assert_eq!(errors(Package::from_directory(folder.path())), [Code::EntryNotRegular]);
}

#[test]
fn a_folder_that_is_not_there_says_so() {
    let findings = Package::from_directory(Path::new("/nowhere/at/all")).unwrap_err();
    assert!(findings.to_string().contains("`/nowhere/at/all` cannot be read"), "{findings}");
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        errors(Package::from_directory(folder.path())),
        [Code::MissingManifest, Code::MissingEntryPoint]
    );
}

#[test]
fn sizes_and_counts_are_limited() {
    let folder = plugin();
    for number in 0..199 {
        fs::write(folder.path().join(format!("f{number}")), "").unwrap();
    }
    assert_eq!(errors(Package::from_directory(folder.path())), [Code::TooManyFiles]);

    let folder = plugin();
    // Sparse: large to read, small on disk.
    let file = fs::File::create(folder.path().join("large")).unwrap();
    file.set_len(bailey_package::limits::UNPACKED_BYTES).unwrap();
    assert_eq!(errors(Package::from_directory(folder.path())), [Code::TooLarge]);

    let folder = plugin();
    for number in 0..=bailey_package::limits::FOLDERS {
        fs::create_dir(folder.path().join(format!("f{number}"))).unwrap();
    }
    assert_eq!(errors(Package::from_directory(folder.path())), [Code::TooManyFiles]);
}

#[test]
fn files_differing_only_in_case_are_refused() {
    let folder = plugin();
    fs::write(folder.path().join("a.txt"), "").unwrap();
    fs::write(folder.path().join("A.txt"), "").unwrap();
    assert_eq!(errors(Package::from_directory(folder.path())), [Code::EntryDuplicate]);
}
