//! Who of our own crates may use whom, outside of tests. `deny.toml` holds the same direction but
//! cannot tell a test's dependency from a product's.

use bailey_testkit::workspace;
use serde_json::Value;
use tokio::process::Command;

/// Each crate and what it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("bailey-protocol", &[]),
    ("bailey-sim", &[]),
    ("bailey-sandbox", &[]),
    ("bailey-builder", &["bailey-sandbox"]),
    ("bailey-sql", &[]),
    ("bailey-outbound", &[]),
    ("bailey-package", &["bailey-protocol"]),
    ("bailey-discord", &["bailey-protocol"]),
    ("bailey-store", &["bailey-protocol"]),
    ("bailey-services", &["bailey-protocol", "bailey-discord", "bailey-outbound", "bailey-sql"]),
    ("bailey-host", &["bailey-protocol", "bailey-sandbox", "bailey-services"]),
];

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "asks cargo")]
async fn product_code_depends_in_one_direction() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(workspace());
    let output = cargo.output().await.unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    for (name, allowed) in ALLOWED {
        let package = packages.iter().find(|package| package["name"] == *name).expect(name);
        let used = package["dependencies"].as_array().unwrap().iter().filter(|used| used["kind"].is_null());
        for used in used.filter_map(|used| used["name"].as_str()).filter(|used| used.starts_with("bailey")) {
            assert!(allowed.contains(&used), "{name} must not use {used}");
        }
    }
}
