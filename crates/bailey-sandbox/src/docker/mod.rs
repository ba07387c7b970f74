//! The Docker sandbox: the same walls, put up by a Docker daemon around one container per process.
//!
//! Start reading at [`DockerSandbox::open`], then `request`, which says what a container is made of.
//! Nothing here starts a program: everything is asked of the daemon over its Unix socket.

mod container;
mod daemon;
mod image;
mod pipes;
mod probe;
mod request;
mod survey;
mod sweep;
pub(crate) mod watchdog;

use std::{
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bollard::Docker;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub(crate) use container::Container;
pub use daemon::DockerFacts;
use daemon::{Daemon, Kernel};
pub use survey::{DockerSurvey, survey_docker};

use crate::{
    config::{DEFAULT_UID_RANGE, Launcher},
    error::{Layer, LayerError, SpawnError},
    identity::Identities,
    process::{Life, Process},
    root::PythonRoot,
    spec::ProcessSpec,
};

/// Where a Docker daemon usually listens.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The user ids inside, instead of the default ones, when the daemon has a user namespace for its
/// containers: those it knows there, without the ones of the system.
const REMAPPED_UID_RANGE: Range<u32> = 1_000..65_000;

/// How long a whole start may take. It needs half a second; a busy machine may need many.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Numbers the starts of this host, for unique names.
static STARTS: AtomicU64 = AtomicU64::new(0);

/// Configuration of a [`DockerSandbox`].
#[derive(Debug, Clone)]
pub struct DockerConfig {
    /// The Unix socket of the daemon, which must run on this machine.
    pub socket: PathBuf,
    /// The runtime of the containers, as the daemon's configuration names it (`runsc` for gVisor);
    /// `None` is the daemon's own default.
    pub runtime: Option<String>,
    /// The read-only root of every process.
    pub root: PythonRoot,
    /// Hosts of one instance clean up after each other; those of another are never touched.
    /// Letters, digits, `-`, `_` and `.`.
    pub instance: String,
    /// How to start the watchdog, a small process that removes this host's containers when the host
    /// ends without doing so.
    pub launcher: Launcher,
    /// User (and group) ids inside, one per living process, so that no two share a count of
    /// anything.
    pub uid_range: Range<u32>,
}

impl DockerConfig {
    /// The defaults: [`DEFAULT_SOCKET`], the daemon's runtime, [`DEFAULT_UID_RANGE`], instance
    /// `bailey`, this program as watchdog.
    pub fn new(root: PythonRoot) -> Self {
        Self {
            socket: DEFAULT_SOCKET.into(),
            runtime: None,
            root,
            instance: "bailey".to_owned(),
            launcher: Launcher::this_program(),
            uid_range: DEFAULT_UID_RANGE,
        }
    }
}

/// Starts each process in a container of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DockerSandbox {
    yard: Arc<Yard>,
}

/// What all containers of one sandbox share.
#[derive(Debug)]
struct Yard {
    docker: Docker,
    config: DockerConfig,
    kernel: Kernel,
    /// The image's id, not its name: a name can be given to another image.
    image: String,
    /// The filter of system calls, as the daemon takes it.
    profile: String,
    identities: Identities,
    /// Starts and containers that are looked after.
    tasks: TaskTracker,
    /// Containers that nobody holds any more and that are not removed yet.
    leaving: watch::Sender<i64>,
    _watchdog: watchdog::Watchdog,
}

impl DockerSandbox {
    /// Checks that the daemon can put up every wall, gives it the root as an image if it has not got
    /// it yet, proves from inside a first container that the walls are there, and removes what hosts
    /// of the same instance left behind that no longer run.
    pub async fn open(mut config: DockerConfig) -> Result<Self, LayerError> {
        if config.uid_range.is_empty() || config.uid_range.contains(&0) {
            let reason = format!("the user id range {:?} cannot be used", config.uid_range);
            return Err(LayerError::new(Layer::Identity, reason));
        }
        let Daemon { docker, kernel, remaps_users } =
            daemon::connect(&config.socket, config.runtime.as_deref()).await?;
        if remaps_users && config.uid_range == DEFAULT_UID_RANGE {
            config.uid_range = REMAPPED_UID_RANGE;
        }
        let image = image::provide(&docker, &config.root, kernel).await?;
        let watchdog = start_watchdog(&config).await?;
        let yard = Yard {
            _watchdog: watchdog,
            profile: crate::seccomp_table::profile(kernel == Kernel::Machine).to_string(),
            identities: Identities::new(config.uid_range.clone(), std::process::id()),
            tasks: TaskTracker::new(),
            leaving: watch::Sender::new(0),
            docker,
            kernel,
            config,
            image,
        };
        let sandbox = Self { yard: Arc::new(yard) };
        let DockerConfig { root, uid_range, .. } = &sandbox.yard.config;
        probe::run(&sandbox, root, kernel, uid_range).await?;
        // Only now is it certain that the daemon runs on this machine, where we know who lives.
        let swept = sweep::sweep(&sandbox.yard.docker, &sandbox.yard.config.instance).await;
        if swept > 0 {
            tracing::info!(containers = swept, "removed what a host that no longer runs left behind");
        }
        Ok(sandbox)
    }

    /// Starts a process. It runs Python when this returns: every wall is up. The caller reads the
    /// pipes, and calls [`Process::started`] at the first sign of life.
    pub async fn spawn(&self, spec: ProcessSpec) -> Result<Process, SpawnError> {
        let label = spec.safe_label();
        let interrupted = {
            let label = label.clone();
            move |error| SpawnError::Host {
                label,
                attempt: "the start was interrupted",
                source: std::io::Error::other(error),
            }
        };
        let yard = Arc::clone(&self.yard);
        // If this future is dropped, the start still runs to its end, and the result is dropped,
        // which removes the container.
        let start = self.yard.tasks.spawn(async move { yard.start(&spec, &label).await });
        start.await.map_err(interrupted)?
    }

    /// Waits until the containers of all dropped processes are removed.
    pub async fn settle(&self) {
        // The sender lives as long as we do, so this ends by the count only.
        let mut leaving = self.yard.leaving.subscribe();
        let _count = leaving.wait_for(|count| *count <= 0).await;
    }
}

async fn start_watchdog(config: &DockerConfig) -> Result<watchdog::Watchdog, LayerError> {
    let DockerConfig { launcher, socket, instance, .. } = config.clone();
    let start = move || watchdog::Watchdog::start(&launcher, &socket, &instance);
    let started =
        tokio::task::spawn_blocking(start).await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    started.map_err(|error| {
        let program = config.launcher.program.display();
        LayerError::new(Layer::ParentDeath, format!("cannot start the watchdog {program}: {error}"))
            .with_hint(Layer::Launcher.hint())
    })
}

impl Yard {
    async fn start(self: Arc<Self>, spec: &ProcessSpec, label: &str) -> Result<Process, SpawnError> {
        spec.check().map_err(|reason| SpawnError::Invalid { label: label.to_owned(), reason })?;
        let lease =
            self.identities.take().ok_or(SpawnError::OutOfIdentities { count: self.identities.count() })?;
        let number = STARTS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}-{label}", sweep::name());
        let body = request::body(&self, spec, label, lease.id)?;
        let walls_up = container::start(&self.docker, &name, body, label);
        let started = match tokio::time::timeout(START_DEADLINE, walls_up).await {
            Ok(Ok(started)) => started,
            failed => {
                // It may exist, even if the daemon's answer did not reach us.
                if !container::remove(&self.docker, &name).await {
                    std::mem::forget(lease); // who may run in it must not share it
                }
                return Err(match failed {
                    Ok(Err(error)) => error,
                    _ => SpawnError::TimedOut { label: label.to_owned(), seconds: START_DEADLINE.as_secs() },
                });
            }
        };
        let (pid, stdio) = (started.pid, started.stdio);
        let flow = self.tasks.spawn(started.flow);
        let container = Container::keep(&self, (started.id, pid), label, &spec.limits, lease, flow);
        Ok(Process::new(pid, stdio, Life::Container(container)))
    }
}
