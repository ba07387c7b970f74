//! Where programs and fixtures lie, whoever runs the tests from wherever.

use std::path::{Path, PathBuf};

use bailey_builder::{Builder, BuilderConfig, Jail, Launcher};

/// The interpreter plugins run on: the system's, as in production.
pub const PYTHON: &str = "/usr/bin/python3";
/// The SDK of a plugin that names none.
pub const DEFAULT_SDK: &str = "yourbot-sdk==0.10.1";

/// The top folder of the workspace.
pub fn workspace() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default()
}

/// The folder of an end-to-end fixture, for example `counter`.
///
/// # Panics
/// When there is none of that name.
pub fn fixture(name: &str) -> PathBuf {
    existing(workspace().join("crates/bailey/tests/fixtures").join(name))
}

/// The folder of the demo plugin.
///
/// # Panics
/// When it is not there.
pub fn demo() -> PathBuf {
    example("demo")
}

/// The folder of an example plugin.
///
/// # Panics
/// When there is none of that name.
pub fn example(name: &str) -> PathBuf {
    existing(workspace().join("examples/plugins").join(name))
}

fn existing(folder: PathBuf) -> PathBuf {
    assert!(folder.is_dir(), "there is no folder `{}`", folder.display());
    folder
}

/// uv, from `PATH` or from `.tools/bin` of the workspace.
///
/// # Panics
/// When it is in neither.
pub fn uv() -> PathBuf {
    let environment = environment();
    let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_str());
    std::env::split_paths(path.unwrap_or_default())
        .chain([workspace().join(".tools/bin")])
        .map(|folder| folder.join("uv"))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("uv is neither on PATH nor in .tools/bin: run scripts/setup.sh"))
}

/// The environment of the test, for what must hand it on.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// A builder for the system's Python, with its jail, on a cache folder of the caller's choice.
///
/// # Panics
/// When the folder cannot be made, or the sandbox's launcher was not built.
pub fn builder(cache: &Path) -> Builder {
    let config = BuilderConfig {
        uv: uv(),
        python: PYTHON.into(),
        cache: cache.to_path_buf(),
        default_sdk: DEFAULT_SDK.to_owned(),
        environment: environment(),
        file_hosts: Vec::new(),
        walls: Jail { launcher: Launcher::program(launcher()), ..Jail::new(cache.join("roots")) }.into(),
    };
    Builder::new(config).unwrap_or_else(|error| panic!("no builder in `{}`: {error}", cache.display()))
}

/// The sandbox's launcher, built beside the test.
///
/// # Panics
/// When it was not built.
pub fn launcher() -> PathBuf {
    program("bailey-sandbox-launcher", "bailey-sandbox")
}

/// A program of the workspace, built into the folder the test itself runs from. `package` is the
/// crate it belongs to.
///
/// # Panics
/// When it was not built: the binaries of other crates are not built for a test.
pub fn program(name: &str, package: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("where is this test? {error}"));
    test.ancestors()
        .skip(1)
        .take(2) // target/debug/deps, then target/debug
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("`{name}` is not built: run `cargo build -p {package} --bins`"))
}
