//! Building the root: once, the same for all, checked on reuse.

use std::{os::unix::fs::MetadataExt, path::Path};

use bailey_sandbox::{PythonRoot, RootError};

use crate::fixture::{PYTHON, readable_folder, root};

fn inode(root: &PythonRoot) -> u64 {
    std::fs::metadata(root.path()).unwrap().ino()
}

#[test]
fn a_second_build_reuses_the_first_and_a_changed_root_is_built_again() {
    let cache = readable_folder();
    let build = || PythonRoot::build(Path::new(PYTHON), cache.path()).unwrap();
    let first = build();
    let first_inode = inode(&first);
    let second = build();
    assert_eq!(first, second);
    assert_eq!(first_inode, inode(&second));
    assert_eq!(first.identity(), root().identity(), "the same interpreter in another cache");
    assert_eq!(first.identity().len(), 64);

    let victim = first.path().join("etc/passwd");
    std::fs::remove_file(&victim).unwrap();
    std::fs::write(&victim, "root::0:0::/:/bin/sh\n").unwrap();
    let third = build();
    assert_ne!(first_inode, inode(&third));
    assert!(std::fs::read_to_string(&victim).unwrap().contains("plugin"));
    // Nothing of the building is left.
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1);
}

#[test]
fn builders_at_the_same_time_agree() {
    let cache = readable_folder();
    let built: Vec<PythonRoot> = std::thread::scope(|scope| {
        let builders: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| PythonRoot::build(Path::new(PYTHON), cache.path()).unwrap()))
            .collect();
        builders.into_iter().map(|builder| builder.join().unwrap()).collect()
    });
    assert_eq!(built[0], built[1]);
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1);
}

#[test]
fn the_root_says_what_it_is_and_nobody_but_its_owner_can_change_it() {
    let root = root();
    assert!(root.python_version().starts_with("3."), "{}", root.python_version());
    assert!(root.interpreter().starts_with("/usr/bin"));
    let mut folders = vec![root.path().to_owned()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let data = entry.metadata().unwrap();
            assert!(!data.is_symlink() && data.mode() & 0o022 == 0, "{}", entry.path().display());
            if data.is_dir() {
                folders.push(entry.path());
            }
            count += 1;
        }
    }
    assert!(count > 500, "{count} files are no Python");
    for absent in ["etc/resolv.conf", "etc/shadow", "bin/sh", "usr/bin/env"] {
        assert!(!root.path().join(absent).exists(), "{absent}");
    }
}

#[test]
fn what_is_no_python_is_refused() {
    let cache = readable_folder();
    for path in ["/bin/true", "/etc/passwd", "/no/such/python"] {
        let error = PythonRoot::build(Path::new(path), cache.path()).unwrap_err();
        assert!(matches!(error, RootError::Interpreter { .. }), "{path}: {error}");
        assert!(error.to_string().contains(path) || path == "/bin/true", "{error}");
    }
}
