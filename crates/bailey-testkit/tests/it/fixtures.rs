//! The fixtures are broken exactly where they mean to be, and can be had with any SDK.

use std::fs;

use bailey_package::Package;
use bailey_testkit::{SDKS, builder, demo, fixture, uv};
use serde_json::Value;

use crate::cache;

/// The codes found in a fixture; empty when it is a good package.
fn codes(name: &str) -> Vec<&'static str> {
    match Package::from_directory(&fixture(name)) {
        Ok(package) => package.warnings.iter().map(|finding| finding.code.as_str()).collect(),
        Err(findings) => findings.iter().map(|finding| finding.code.as_str()).collect(),
    }
}

#[test]
fn broken_packages_are_broken_in_one_place() {
    assert_eq!(codes("no_manifest"), ["missing_manifest"]);
    assert_eq!(codes("broken_json"), ["manifest_invalid_json"]);
    assert_eq!(codes("no_main"), ["missing_entry_point"]);
}

#[test]
fn the_others_are_good_packages() {
    let broken = ["no_manifest", "broken_json", "no_main"];
    let mut seen = 0;
    for entry in fs::read_dir(fixture("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !broken.contains(&name.as_str()) {
            assert_eq!(codes(&name), [""; 0], "{name}");
            assert_eq!(Package::from_directory(&fixture(&name)).unwrap().manifest.id.as_str(), name);
            seen += 1;
        }
    }
    assert!(seen >= 8);
}

#[test]
fn the_demo_is_a_good_package_with_its_command() {
    let package = Package::from_directory(&demo()).unwrap();
    assert!(package.warnings.is_empty());
    assert_eq!(package.manifest.commands[0].name, "greet");
    assert_eq!(package.manifest.commands[0].definition["options"][0]["name"], "name");
}

#[test]
fn scenarios_are_json_lines() {
    for path in [demo().join("conversation.jsonl"), fixture("conformance").join("conform.jsonl")] {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert!(lines.len() > 10);
        for line in lines {
            assert!(serde_json::from_str::<Value>(line).unwrap().is_object(), "{line}");
        }
    }
}

#[tokio::test]
async fn the_conformance_plugin_can_be_had_with_every_sdk() {
    let package = Package::from_directory(&fixture("conformance")).unwrap();
    let builder = builder(&cache().join("packages"));
    for sdk in SDKS {
        let built = builder.build(package.requirements.as_deref(), Some(&sdk.requirement())).await.unwrap();
        assert_eq!(built.packages, [(sdk.distribution.to_owned(), sdk.version.to_owned())]);
    }
}

#[test]
fn uv_is_there() {
    assert!(uv().is_file());
}

#[test]
fn programs_are_found_beside_the_test() {
    let this = std::env::current_exe().unwrap();
    let name = this.file_name().unwrap().to_str().unwrap();
    assert_eq!(bailey_testkit::program(name, "bailey-testkit"), this);
}
