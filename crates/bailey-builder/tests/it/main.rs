//! Real uv, real packages from the real index.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by stopping")]

mod attacks;
mod build;
mod cache;
mod hostile;
mod index;
mod proxies;
mod refusals;
mod rootless;

use std::path::{Path, PathBuf};

use bailey_builder::{Builder, BuilderConfig, Jail, Launcher};

/// The interpreter as it is called in the jail.
fn python_inside() -> String {
    std::fs::canonicalize("/usr/bin/python3").unwrap().display().to_string()
}

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

/// The program that puts up the walls, built beside the test.
fn launcher() -> Launcher {
    let test = std::env::current_exe().unwrap();
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join("bailey-sandbox-launcher"));
    let found = found.into_iter().find(|candidate| candidate.is_file());
    Launcher::program(found.expect("is not built: run `cargo build -p bailey-sandbox --bins`"))
}

/// The jail of all tests; its Python root is kept between runs.
fn jail() -> Jail {
    Jail { launcher: launcher(), ..Jail::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("roots")) }
}

fn config(cache: &Path) -> BuilderConfig {
    BuilderConfig {
        uv: uv(),
        python: "/usr/bin/python3".into(),
        cache: cache.to_path_buf(),
        default_sdk: "yourbot-sdk==0.10.1".to_owned(),
        environment: std::env::vars().collect(),
        file_hosts: Vec::new(),
        walls: jail().into(),
    }
}

fn builder(cache: &Path) -> Builder {
    Builder::new(config(cache)).unwrap()
}
