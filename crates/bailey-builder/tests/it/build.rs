//! What is built.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use bailey_builder::BuiltPackages;

use crate::builder;

fn version<'a>(built: &'a BuiltPackages, name: &str) -> Option<&'a str> {
    built.packages.iter().find(|(package, _)| package == name).map(|(_, version)| version.as_str())
}

#[tokio::test]
async fn a_plugin_without_requirements_gets_the_default_sdk() {
    let cache = tempfile::tempdir().unwrap();
    let built = builder(cache.path()).build(None, None).await.unwrap();
    assert_eq!(built.packages, [("yourbot-sdk".to_owned(), "0.10.1".to_owned())]);
    assert_eq!(built.directory, cache.path().join(&built.hash));
    for file in ["yourbot_sdk/__init__.py", "mmo_maid_sdk/__init__.py", "yourbot_sdk/__pycache__"] {
        assert!(built.directory.join(file).exists(), "{file}");
    }
    for file in ["bin", ".lock"] {
        assert!(!built.directory.join(file).exists(), "{file}");
    }
    for (path, mode) in [("", 0o555), ("yourbot_sdk", 0o555), ("yourbot_sdk/__init__.py", 0o444)] {
        let found = fs::metadata(built.directory.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(found, mode, "{path}");
    }
    let left =
        fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!left.into_iter().any(|name| name.starts_with(".building-")), "scratch folders are gone");
}

#[tokio::test]
async fn every_sdk_version_can_be_put_in_the_place_of_the_one_named() {
    let cache = tempfile::tempdir().unwrap();
    let builder = builder(cache.path());
    for (sdk, module) in [
        ("mmo-maid-sdk==0.5.2", "mmo_maid_sdk"),
        ("mmo-maid-sdk==0.5.4", "mmo_maid_sdk"),
        ("yourbot-sdk==0.6.1", "yourbot_sdk"),
        ("yourbot-sdk==0.8.5", "yourbot_sdk"),
        ("yourbot-sdk==0.9.0", "yourbot_sdk"),
        ("yourbot-sdk==0.10.1", "yourbot_sdk"),
    ] {
        let (name, wanted) = sdk.split_once("==").unwrap();
        for requirements in [Some("mmo-maid-sdk>=0.5\n"), Some("yourbot_sdk>=0.6\n"), None] {
            let built = builder.build(requirements, Some(sdk)).await.unwrap();
            assert_eq!(built.packages, [(name.to_owned(), wanted.to_owned())], "{requirements:?}");
            assert!(built.directory.join(module).is_dir());
        }
    }
}

#[tokio::test]
async fn other_packages_come_with_what_they_need() {
    let cache = tempfile::tempdir().unwrap();
    let built = builder(cache.path()).build(Some("anyio==4.4.0  # and what it needs\n"), None).await.unwrap();
    assert_eq!(version(&built, "anyio"), Some("4.4.0"));
    assert!(version(&built, "idna").is_some() && version(&built, "sniffio").is_some());
    assert_eq!(version(&built, "yourbot-sdk"), Some("0.10.1"));
}
