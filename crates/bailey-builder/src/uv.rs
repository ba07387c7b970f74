//! The words uv and the compiler are called with, and what they are told of the world.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::config::BuilderConfig;
use crate::error::BuildError;
use crate::fetch;
use crate::gate::Gate;
use crate::limits;
use crate::output::Output;
use crate::workplace::{Job, Places, Program, Workplace};

/// What of the caller's environment uv may see where there is no jail.
const PASSED_ON: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "all_proxy",
    "no_proxy",
    "HOME",
    "PATH",
];

/// Resolves `requirements` (a file in the job's folder) to a lock.
pub(crate) async fn resolve(
    workplace: &Workplace,
    config: &BuilderConfig,
    job: Job<'_>,
    requirements: &str,
    overrides: Option<&str>,
) -> Result<Output, BuildError> {
    let Places { python, uv_cache, .. } = workplace.places(config, &job);
    let mut arguments = words(&["--no-config", "--no-progress", "--color", "never", "--no-python-downloads"]);
    arguments.extend(["--cache-dir".into(), uv_cache.into_os_string()]);
    arguments.extend(words(&[
        "pip",
        "compile",
        requirements,
        "--format",
        "pylock.toml",
        "--no-header",
        "--quiet",
    ]));
    arguments.extend(words(&["--only-binary", ":all:", "--no-sources", "--no-annotate"]));
    arguments.extend(["--python".into(), python.into_os_string()]);
    if let Some(overrides) = overrides {
        arguments.extend(words(&["--overrides", overrides]));
    }
    workplace.run(config, job, arguments).await
}

/// Compiles the packages of a job. Returns where the compiled files lie below `prefix`, a folder of the
/// job's: it mirrors the path of the packages.
pub(crate) async fn compile(
    workplace: &Workplace,
    config: &BuilderConfig,
    job: Job<'_>,
) -> Result<PathBuf, BuildError> {
    let Places { work, packages, .. } = workplace.places(config, &job);
    let mut arguments = words(&["-I", "-S", "-X"]);
    arguments.push(format!("pycache_prefix={}", work.display()).into());
    // Not compared with the source at every import: neither changes.
    arguments.extend(words(&["-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash"]));
    arguments.push(packages.clone().into_os_string());
    // Files for another Python, which do not compile, are usual; what is not compiled is compiled at
    // every import.
    workplace.run(config, job, arguments).await?;
    Ok(packages)
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// The program's path.
pub(crate) fn find(config: &BuilderConfig) -> Result<PathBuf, BuildError> {
    let missing =
        || BuildError::UvMissing { path: config.uv.clone(), source: std::io::ErrorKind::NotFound.into() };
    if config.uv.is_absolute() {
        return Some(config.uv.clone()).filter(|path| path.is_file()).ok_or_else(missing);
    }
    let path = config.environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_str());
    std::env::split_paths(path.unwrap_or_default())
        .map(|folder| folder.join(&config.uv))
        .find(|candidate| candidate.is_file())
        .ok_or_else(missing)
}

/// The certificates of the machine, as a file beside the job's folder.
pub(crate) fn certificates(
    config: &BuilderConfig,
    work: &Path,
) -> Result<tempfile::NamedTempFile, BuildError> {
    use std::os::unix::fs::PermissionsExt;
    let beside = work.parent().unwrap_or(work);
    let failed = |error| BuildError::cache("write the certificates in", beside)(error);
    let file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(beside)
        .map_err(failed)?;
    std::fs::write(file.path(), fetch::as_text(&fetch::certificates(&config.environment))).map_err(failed)?;
    Ok(file)
}

/// Which index, with its credentials: as a variable, because arguments are for everyone to see.
pub(crate) fn index_environment(gate: &Gate) -> Vec<(String, String)> {
    vec![
        ("UV_DEFAULT_INDEX".to_owned(), gate.index().address().to_string()),
        ("UV_SYSTEM_CERTS".to_owned(), "true".to_owned()), // an organisation's own among them
        ("UV_HTTP_TIMEOUT".to_owned(), limits::CONNECT_DEADLINE.as_secs().to_string()),
    ]
}

/// What of the caller's environment uv sees where there is no jail.
pub(crate) fn passed_on(config: &BuilderConfig) -> impl Iterator<Item = (String, String)> + '_ {
    config.environment.iter().filter(|(name, _)| PASSED_ON.contains(&name.as_str())).cloned()
}

/// A job of uv's: resolving.
pub(crate) fn resolving<'a>(work: &'a Path, uv_cache: &'a Path, gate: &std::sync::Arc<Gate>) -> Job<'a> {
    Job {
        what: "the resolver",
        program: Program::Uv,
        work,
        uv_cache: Some(uv_cache),
        packages: None,
        gate: Some(std::sync::Arc::clone(gate)),
        most: limits::LOCK_BYTES,
    }
}

/// A job of the interpreter's: compiling.
pub(crate) fn compiling<'a>(work: &'a Path, packages: &'a Path) -> Job<'a> {
    Job {
        what: "the compiler",
        program: Program::Python,
        work,
        uv_cache: None,
        packages: Some(packages),
        gate: None,
        most: limits::LOCK_BYTES,
    }
}
