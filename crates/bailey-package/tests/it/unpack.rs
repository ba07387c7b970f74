//! Unpacking for a mount.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use bailey_package::Package;

use crate::{MAIN, MANIFEST, zip_of};

fn package() -> Package {
    Package::from_zip(&zip_of(&[
        ("manifest.json", MANIFEST.as_bytes()),
        ("__main__.py", MAIN.as_bytes()),
        ("lib/deep/a.py", b"1"),
        ("lib/b.py", b"2"),
    ]))
    .unwrap()
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn everything_is_there_and_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("cache").join("demo");
    package().unpack_to(&target).unwrap();
    assert_eq!(fs::read_to_string(target.join("lib/deep/a.py")).unwrap(), "1");
    assert_eq!(fs::read_to_string(target.join("__main__.py")).unwrap(), MAIN);
    for (path, expected) in [("", 0o555), ("lib", 0o555), ("lib/deep", 0o555), ("lib/b.py", 0o444)] {
        assert_eq!(mode(&target.join(path)), expected, "{path}");
    }
    let left: Vec<_> = fs::read_dir(folder.path().join("cache")).unwrap().collect();
    assert_eq!(left.len(), 1, "the scratch folder is gone");
}

#[test]
fn many_at_once_agree() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("demo");
    let package = package();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| package.unpack_to(&target))).collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(target.join("lib/b.py")).unwrap(), "2");
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = package().unpack_to(&folder.path().join("file").join("demo")).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
}
