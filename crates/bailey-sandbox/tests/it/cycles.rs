//! Plugins come and go for months: nothing of one may be left when it is gone.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{
    fixture::{PYTHON, cache, root},
    groups::Groups,
};

/// How many, unless `BAILEY_CYCLES` says otherwise; a long run has a thousand and more.
const CYCLES: &str = "200";
/// Memory a host may hold more of afterwards: its allocator's, which is no leak.
const MEMORY_KIB: u64 = 4096;

#[test]
#[expect(clippy::disallowed_methods, reason = "a process of its own, whose belongings can be counted")]
fn nothing_is_left_of_plugins_that_came_and_went() {
    root(); // so that the tool finds it in the cache
    let groups = Groups::new();
    let cycles = std::env::var("BAILEY_CYCLES").unwrap_or_else(|_| CYCLES.to_owned());
    // With mounts of its own, so that no other test's are counted.
    let output = Command::new("unshare")
        .args(["--mount", env!("CARGO_BIN_EXE_bailey-sandbox-launcher"), "cycles"])
        .args([PYTHON.as_ref(), cache().as_os_str(), cycles.as_ref(), groups.name().as_ref()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_str(&said).unwrap();
    let of = |when: &str, what: &str| said[when][what].as_u64().unwrap();
    for what in ["descriptors", "threads", "children", "mounts"] {
        assert_eq!(of("before", what), of("after", what), "{what} after {cycles} plugins: {said}");
    }
    assert_eq!(of("after", "children"), 0, "{said}");
    let grown = of("after", "memory_kib").saturating_sub(of("before", "memory_kib"));
    assert!(grown < MEMORY_KIB, "the host grew by {grown} KiB over {cycles} plugins: {said}");
    assert_eq!(groups.members(), Vec::<std::path::PathBuf>::new(), "control groups are left");
}
