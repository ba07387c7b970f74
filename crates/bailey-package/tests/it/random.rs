//! No bytes make the reader panic, hang or hand out a name that leaves the package.

use bailey_package::Package;
use proptest::prelude::*;

use crate::{MAIN, MANIFEST, zip_of};

fn check(bytes: &[u8]) {
    if let Ok(package) = Package::from_zip(bytes) {
        for file in &package.files {
            assert!(!file.path.starts_with('/') && !file.path.split('/').any(|part| part == ".."));
        }
    }
}

fn good_zip() -> Vec<u8> {
    zip_of(&[
        ("manifest.json", MANIFEST.as_bytes()),
        ("__main__.py", MAIN.as_bytes()),
        ("lib/tools.py", b"@plugin.on_slash_command(\"hello\")\n"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        check(&bytes);
    }

    #[test]
    fn a_zip_with_some_bytes_changed(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut in any::<prop::sample::Index>(), whole in any::<bool>()) {
        let mut bytes = good_zip();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        check(&bytes);
    }

    #[test]
    fn any_manifest(manifest in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&zip_of(&[("manifest.json", &manifest), ("__main__.py", b"")]));
    }

    #[test]
    fn any_manifest_fields(field in "[a-z_]{0,12}|slash_commands|capabilities|proxy_domains|id", value in "[\\[\\]{}\",:0-9a-z ]{0,40}") {
        let manifest = format!("{{\"id\":\"demo\",\"name\":\"x\",\"version\":\"1\",\"{field}\":{value}}}");
        check(&zip_of(&[("manifest.json", manifest.as_bytes()), ("__main__.py", b"")]));
    }
}
