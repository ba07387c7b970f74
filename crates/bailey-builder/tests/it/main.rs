//! Real uv, real packages from the real index.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by stopping")]

mod build;
mod cache;
mod refusals;

use std::path::{Path, PathBuf};

use bailey_builder::{Builder, BuilderConfig};

/// uv from `PATH`, or from the workspace's tools.
fn uv() -> PathBuf {
    let environment: Vec<_> = std::env::vars_os().collect();
    let path =
        environment.into_iter().find(|(name, _)| name == "PATH").map(|(_, value)| value).unwrap_or_default();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/bin");
    std::env::split_paths(&path)
        .chain([tools])
        .map(|folder| folder.join("uv"))
        .find(|candidate| candidate.is_file())
        .expect("uv is on PATH or in .tools/bin: scripts/setup.sh puts it there")
}

fn config(cache: &Path) -> BuilderConfig {
    BuilderConfig {
        uv: uv(),
        python: "/usr/bin/python3".into(),
        cache: cache.to_path_buf(),
        default_sdk: "yourbot-sdk==0.10.1".to_owned(),
        environment: std::env::vars().collect(),
    }
}

fn builder(cache: &Path) -> Builder {
    Builder::new(config(cache)).unwrap()
}
