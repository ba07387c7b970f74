//! Where uv and the interpreter run: in the jail, or, for one's own plugins, without walls.
//!
//! Both meet what strangers wrote: uv reads pages and descriptions of packages, the interpreter their
//! source. Neither is believed afterwards: what they leave behind is looked at like anything else from a
//! stranger.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use bailey_sandbox::{Access, Exit, Limits, PythonRoot, Shown, Tool, ToolConfig, ToolSandbox, ToolSpec};
use tokio::process::Command;

use crate::config::{BuilderConfig, Jail};
use crate::error::BuildError;
use crate::gate::Gate;
use crate::output::{Output, first, last};
use crate::watch::Watch;
use crate::{inspect, limits, uv};

/// The port of the jail's loopback where the gate answers.
const PORT: u16 = 3128;
/// Where things lie inside.
const UV: &str = "/tool/uv";
const WORK: &str = "/work";
const UV_CACHE: &str = "/cache";
const PACKAGES: &str = "/packages";
const CERTIFICATES: &str = "/certificates.pem";

/// One run of a program.
pub(crate) struct Job<'a> {
    /// For messages: "the resolver".
    pub(crate) what: &'static str,
    pub(crate) program: Program,
    /// The folder it works in and may write to.
    pub(crate) work: &'a Path,
    /// uv's cache, which it may write to.
    pub(crate) uv_cache: Option<&'a Path>,
    /// Packages it may read.
    pub(crate) packages: Option<&'a Path>,
    /// The way to the index, if it needs one.
    pub(crate) gate: Option<Arc<Gate>>,
    /// Most bytes of standard output.
    pub(crate) most: usize,
}

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Uv,
    Python,
}

/// Where the things of a job lie, as the program sees them.
pub(crate) struct Places {
    pub(crate) python: PathBuf,
    pub(crate) uv_cache: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) packages: PathBuf,
}

/// Where programs run.
#[derive(Debug)]
pub(crate) enum Workplace {
    Jail(ToolSandbox),
    Bare,
}

impl Workplace {
    /// Puts up a jail for trial.
    pub(crate) async fn jail(config: &BuilderConfig, jail: &Jail) -> Result<Self, BuildError> {
        let (python, roots) = (config.python.clone(), jail.roots.clone());
        let root = tokio::task::spawn_blocking(move || PythonRoot::build(&python, &roots))
            .await
            .map_err(|error| BuildError::cache("build a root in", &jail.roots)(std::io::Error::other(error)))?
            .map_err(BuildError::Root)?;
        let config = ToolConfig {
            launcher: jail.launcher.clone(),
            root,
            uid: jail.uid,
            cgroup_parent: jail.cgroup_parent.clone(),
        };
        let sandbox = ToolSandbox::open(config).await.map_err(|error| BuildError::Jail(error.into()))?;
        Ok(Self::Jail(sandbox))
    }

    /// Who writes here: part of the name of folders that are kept between builds.
    pub(crate) fn writer(&self) -> Option<u32> {
        match self {
            Self::Jail(sandbox) => sandbox.writer(),
            Self::Bare => None,
        }
    }

    /// Makes a folder, if it is not there, that programs may write to.
    pub(crate) fn writable(&self, folder: &Path) -> Result<(), BuildError> {
        fs::create_dir_all(folder).map_err(BuildError::cache("create", folder))?;
        // A program may have closed it to everybody, itself included.
        inspect::set_mode(folder, inspect::MOVING_FOLDER)?;
        if let Some(writer) = self.writer() {
            std::os::unix::fs::chown(folder, Some(writer), Some(writer))
                .map_err(BuildError::cache("give away", folder))?;
        }
        Ok(())
    }

    /// What the arguments of a job may name.
    pub(crate) fn places(&self, config: &BuilderConfig, job: &Job<'_>) -> Places {
        match self {
            Self::Jail(sandbox) => Places {
                python: sandbox.interpreter().to_owned(),
                uv_cache: UV_CACHE.into(),
                work: WORK.into(),
                packages: PACKAGES.into(),
            },
            Self::Bare => Places {
                python: config.python.clone(),
                uv_cache: job.uv_cache.unwrap_or(job.work).to_owned(),
                work: job.work.to_owned(),
                packages: job.packages.unwrap_or(job.work).to_owned(),
            },
        }
    }

    /// Runs a program to its end. Dropping the future kills it and all it started.
    pub(crate) async fn run(
        &self,
        config: &BuilderConfig,
        job: Job<'_>,
        arguments: Vec<OsString>,
    ) -> Result<Output, BuildError> {
        match self {
            Self::Jail(sandbox) => {
                let ended = in_jail(sandbox, config, job, arguments).await;
                sandbox.settle().await; // before anyone looks at what it left behind
                ended
            }
            Self::Bare => bare(config, &job, arguments).await,
        }
    }
}

async fn in_jail(
    sandbox: &ToolSandbox,
    config: &BuilderConfig,
    job: Job<'_>,
    arguments: Vec<OsString>,
) -> Result<Output, BuildError> {
    let mut shown = vec![Shown::new(job.work, WORK, Access::Write)];
    shown.extend(job.uv_cache.map(|folder| Shown::new(folder, UV_CACHE, Access::Write)));
    shown.extend(job.packages.map(|folder| Shown::new(folder, PACKAGES, Access::Read)));
    let mut environment =
        vec![("HOME".to_owned(), "/tmp".to_owned()), ("TMPDIR".to_owned(), "/tmp".to_owned())];
    let program = match job.program {
        Program::Python => sandbox.interpreter().to_owned(),
        Program::Uv => {
            let uv = uv::find(config)?;
            shown.push(Shown::new(uv, UV, Access::Execute));
            UV.into()
        }
    };
    let certificates;
    if let Some(gate) = &job.gate {
        certificates = uv::certificates(config, job.work)?;
        shown.push(Shown::new(certificates.path(), CERTIFICATES, Access::Read));
        environment.extend(uv::index_environment(gate));
        environment.push(("SSL_CERT_FILE".to_owned(), CERTIFICATES.to_owned()));
        let proxy = format!("http://127.0.0.1:{PORT}");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            environment.push((name.to_owned(), proxy.clone()));
        }
    }
    let spec = ToolSpec {
        arguments,
        environment,
        shown,
        folder: WORK.into(),
        port: job.gate.as_ref().map(|_| PORT),
        limits: Limits {
            memory_bytes: limits::JAIL_MEMORY_BYTES,
            pids: limits::JAIL_PIDS,
            cpu_percent: limits::JAIL_CPU_PERCENT,
            tmp_bytes: limits::JAIL_TMP_BYTES,
            tmp_inodes: limits::JAIL_TMP_INODES,
            open_files: limits::JAIL_OPEN_FILES,
            file_size_bytes: limits::JAIL_FILE_BYTES,
            ..Limits::default()
        },
        ..ToolSpec::new("builder", program)
    };
    let watch =
        Watch::begin([Some(job.work), job.uv_cache].into_iter().flatten().map(Path::to_path_buf).collect())
            .await;
    let Tool { mut process, listener } = sandbox.spawn(spec).await.map_err(BuildError::Jail)?;
    let gate = async {
        match (job.gate, listener) {
            (Some(gate), Some(listener)) => gate.serve(listener).await.map(|never| match never {}),
            _ => std::future::pending().await,
        }
    };
    let ended = async {
        let stdio = process.take_stdio();
        let (stdout, stderr) = stdio.map(|stdio| (stdio.stdout, stdio.stderr)).unzip();
        let (stdout, stderr, exit) =
            tokio::join!(first(stdout, job.most), last(stderr, limits::ERROR_BYTES), process.wait());
        std::io::Result::Ok((stdout?, stderr?, exit))
    };
    let broken = |error| BuildError::cache("run a tool in", job.work)(error);
    let (stdout, stderr, exit) = tokio::select! {
        ended = ended => ended.map_err(broken)?,
        error = gate => return Err(broken(error.err().unwrap_or_else(|| std::io::Error::other("the gate closed")))),
        limit = watch.exceeded() => return Err(BuildError::Exceeded { what: job.what, limit }),
    };
    // Nothing is left in its process namespace: the kernel ended it all before it told us.
    let limit = match exit {
        Exit::OutOfMemory { .. } => {
            Some(format!("needs more than {} MB of memory", limits::JAIL_MEMORY_BYTES / 1024 / 1024))
        }
        Exit::Signal(SIGXFSZ) => {
            Some(format!("writes a file of more than {} MB", limits::JAIL_FILE_BYTES / 1024 / 1024))
        }
        _ => watch.look().await, // it may have been faster than the last look
    };
    if let Some(limit) = limit {
        return Err(BuildError::Exceeded { what: job.what, limit });
    }
    Ok(Output::new(exit.success(), &exit, stdout, &stderr))
}

/// What the kernel sends for a file that grows too large.
const SIGXFSZ: i32 = rustix::process::Signal::XFSZ.as_raw();

async fn bare(config: &BuilderConfig, job: &Job<'_>, arguments: Vec<OsString>) -> Result<Output, BuildError> {
    let program = match job.program {
        Program::Uv => config.uv.clone(),
        Program::Python => config.python.clone(),
    };
    #[expect(clippy::disallowed_methods, reason = "the builder is where uv runs")]
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .current_dir(job.work)
        .env_clear()
        .envs(uv::passed_on(config))
        .stdin(Stdio::null());
    if let Some(gate) = &job.gate {
        command.envs(uv::index_environment(gate));
    }
    crate::output::run(&mut command, job.most)
        .await
        .map_err(|source| BuildError::UvMissing { path: program, source })
}
