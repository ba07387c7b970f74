//! The two uv commands, run with a clean environment, bounded output and a deadline.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::builder::BuilderConfig;
use crate::error::BuildError;
use crate::limits;

/// What of the caller's environment uv may see.
const PASSED_ON: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "HOME",
    "PATH",
];

/// How a command ended.
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: Vec<u8>,
    /// The end of stderr, trimmed; never empty after a failure.
    pub(crate) words: String,
}

/// Resolves `requirements` (a file below `folder`) to a lock: exact versions with hashes.
pub(crate) async fn resolve(
    config: &BuilderConfig,
    folder: &Path,
    requirements: &str,
    overrides: Option<&str>,
    python: &str,
) -> Result<String, BuildError> {
    let mut command = uv(config, folder);
    command.args([
        "pip",
        "compile",
        requirements,
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
        "--quiet",
    ]);
    command.args(["--only-binary", ":all:", "--no-sources"]);
    command.arg("--python").arg(&config.python);
    if let Some(overrides) = overrides {
        command.args(["--overrides", overrides]);
    }
    let output = run_uv(config, &mut command).await?;
    match String::from_utf8(output.stdout) {
        Ok(lock) if output.success => Ok(lock),
        _ => Err(BuildError::Unresolvable { words: output.words, python: format!("Python {python}") }),
    }
}

/// Installs a lock (a file below `folder`) into `target`, hashes checked, bytecode compiled.
pub(crate) async fn install(
    config: &BuilderConfig,
    folder: &Path,
    lock: &str,
    target: &str,
) -> Result<(), BuildError> {
    let mut command = uv(config, folder);
    command.args([
        "pip",
        "install",
        "--requirements",
        lock,
        "--target",
        target,
        "--require-hashes",
        "--no-deps",
    ]);
    // Copies: a hard link would make the cache and the packages one file with one mode.
    command.args([
        "--only-binary",
        ":all:",
        "--no-sources",
        "--compile-bytecode",
        "--link-mode",
        "copy",
        "--quiet",
    ]);
    command.arg("--python").arg(&config.python);
    let output = run_uv(config, &mut command).await?;
    if output.success { Ok(()) } else { Err(BuildError::Install { words: output.words }) }
}

fn uv(config: &BuilderConfig, folder: &Path) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the builder is where uv runs")]
    let mut command = Command::new(&config.uv);
    command
        .current_dir(folder)
        .env_clear()
        .envs(config.environment.iter().filter(|(name, _)| PASSED_ON.contains(&name.as_str())).cloned())
        .env("UV_SYSTEM_CERTS", "true") // the machine's certificates, an organisation's own among them
        .args(["--no-config", "--no-progress", "--color", "never", "--no-python-downloads"])
        .arg("--cache-dir")
        .arg(config.cache.join("uv"));
    command
}

async fn run_uv(config: &BuilderConfig, command: &mut Command) -> Result<Output, BuildError> {
    run(command, limits::LOCK_BYTES)
        .await
        .map_err(|source| BuildError::UvMissing { path: config.uv.clone(), source })
}

/// Runs a command to its end. Dropping the future kills it.
pub(crate) async fn run(command: &mut Command, most: usize) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let (stdout, stderr, status) =
        tokio::join!(first(stdout, most), last(stderr, limits::ERROR_BYTES), child.wait());
    let (status, stdout, stderr) = (status?, stdout?, stderr?);
    let words = match String::from_utf8_lossy(&stderr).trim() {
        "" => format!("{status}, without a word"),
        words => words.to_owned(),
    };
    Ok(Output { success: status.success(), stdout, words })
}

/// The first `most` bytes; more is an error.
async fn first(reader: Option<impl AsyncRead + Unpin>, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(reader) = reader {
        reader.take(most as u64 + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() > most {
        return Err(io::Error::other(format!("it wrote more than {most} bytes")));
    }
    Ok(bytes)
}

/// The last `most` bytes; the rest is read and thrown away, so that the writer never waits.
async fn last(reader: Option<impl AsyncRead + Unpin>, most: usize) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut reader) = reader else { return Ok(kept) };
    let mut chunk = [0; 4096];
    loop {
        let read = reader.read(&mut chunk).await?;
        if read == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(&chunk[..read]);
        let surplus = kept.len().saturating_sub(most);
        kept.drain(..surplus);
    }
}
