//! One container from its creation to its removal. A task looks after each: it does what the holder
//! wishes, says how the container ended, and removes it when nobody holds it any more.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bollard::{
    Docker,
    errors::Error,
    models::{ContainerCreateBody, ContainerInspectResponse, ContainerUpdateBody},
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, InspectContainerOptions,
        KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
        WaitContainerOptionsBuilder,
    },
};
use futures_util::StreamExt;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    Yard,
    daemon::{Kernel, explain, refusal},
    pipes, request,
};
use crate::{
    Limits, cgroup,
    error::{Layer, LayerError, SpawnError},
    exit::Exit,
    identity::Lease,
    process::Stdio,
};

/// How long output that is still on its way may hold up the news that a process has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How often a removal is tried, and how long it rests in between: a daemon may be restarting.
const REMOVALS: usize = 5;
const REMOVAL_PAUSE: Duration = Duration::from_secs(1);
/// Exit codes above this are signals, as shells and container runtimes count.
const SIGNALS: i64 = 128;

/// A container that runs.
pub(super) struct Started {
    pub(super) id: String,
    pub(super) pid: u32,
    pub(super) stdio: Stdio,
    /// Moves the bytes of its pipes.
    pub(super) flow: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Creates it, connects its pipes, starts it. Leaves it where it is if something fails.
pub(super) async fn start(
    docker: &Docker,
    name: &str,
    body: ContainerCreateBody,
    label: &str,
) -> Result<Started, SpawnError> {
    let refused = |error: Error| refusal(&error);
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    let created = docker.create_container(Some(options), body).await.map_err(refused)?;
    if let Some(warning) = created.warnings.first() {
        // The daemon leaves out what it cannot do, and goes on. We do not.
        return Err(LayerError::new(Layer::Daemon, format!("the Docker daemon warns: {warning}")).into());
    }
    let id = created.id;
    // Before the start, so that not a byte is missed.
    let options =
        AttachContainerOptionsBuilder::new().stdin(true).stdout(true).stderr(true).stream(true).build();
    let attached = docker.attach_container(&id, Some(options)).await.map_err(refused)?;
    let (stdio, flow) = pipes::connect(attached).map_err(|source| SpawnError::Host {
        label: label.to_owned(),
        attempt: "cannot make its pipes",
        source,
    })?;
    docker.start_container(&id, None::<StartContainerOptions>).await.map_err(refused)?;
    let pid = inspect(docker, &id).await.map_err(refused)?.state.and_then(|state| state.pid);
    Ok(Started {
        id,
        pid: pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
        stdio,
        flow: Box::pin(flow),
    })
}

/// Kills it if it runs and removes it. Whether it is gone.
pub(super) async fn remove(docker: &Docker, id: &str) -> bool {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => true,
        // Somebody else is removing it.
        Err(Error::DockerResponseServerError { status_code: 409, .. }) => true,
        Err(error) => {
            let error = explain(&error);
            tracing::warn!(
                container = id,
                error,
                "a container could not be removed; the next start of the host tries again"
            );
            false
        }
    }
}

async fn inspect(docker: &Docker, id: &str) -> Result<ContainerInspectResponse, Error> {
    docker.inspect_container(id, None::<InspectContainerOptions>).await
}

/// What the holder of a container wants of it. Wishes are never taken back.
#[derive(Debug, Clone, Copy, Default)]
struct Wishes {
    limit_processor: bool,
    terminate: bool,
    kill: bool,
}

/// The holder's end. Dropping it removes the container.
#[derive(Debug)]
pub(crate) struct Container {
    wishes: watch::Sender<Wishes>,
    exit: watch::Receiver<Option<Exit>>,
    yard: Arc<Yard>,
}

impl Container {
    /// Has a started container looked after. `flow` moves its bytes.
    pub(super) fn keep(
        yard: &Arc<Yard>,
        (id, pid): (String, u32),
        label: &str,
        limits: &Limits,
        lease: Lease,
        flow: JoinHandle<()>,
    ) -> Self {
        let (wishes, wished) = watch::channel(Wishes::default());
        let (said, exit) = watch::channel(None);
        let keeper = Keeper {
            docker: yard.docker.clone(),
            kernel: yard.kernel,
            id,
            pid,
            label: label.to_owned(),
            limits: limits.clone(),
            flow,
            departure: Departure { yard: Arc::clone(yard), lease: Some(lease) },
        };
        yard.tasks.spawn(keeper.run(wished, said));
        Self { wishes, exit, yard: Arc::clone(yard) }
    }

    /// Waits for the end. Can be cancelled and called again.
    pub(crate) async fn wait(&mut self) -> Exit {
        let ended = self.exit.wait_for(Option::is_some).await;
        ended.ok().and_then(|exit| *exit).unwrap_or(Exit::Unknown)
    }

    pub(crate) fn kill(&self) {
        self.wishes.send_modify(|wishes| wishes.kill = true);
    }

    pub(crate) fn terminate(&self) {
        self.wishes.send_modify(|wishes| wishes.terminate = true);
    }

    pub(crate) fn started(&self) {
        self.wishes.send_modify(|wishes| wishes.limit_processor = true);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Counted before the keeper can see that we are gone.
        self.yard.leaving.send_modify(|count| *count += 1);
    }
}

/// Says when the container is gone, however its keeper ends.
struct Departure {
    yard: Arc<Yard>,
    lease: Option<Lease>,
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.yard.leaving.send_modify(|count| *count -= 1);
    }
}

struct Keeper {
    docker: Docker,
    kernel: Kernel,
    id: String,
    pid: u32,
    label: String,
    limits: Limits,
    flow: JoinHandle<()>,
    departure: Departure,
}

impl Keeper {
    async fn run(mut self, mut wished: watch::Receiver<Wishes>, said: watch::Sender<Option<Exit>>) {
        let mut done = Wishes::default();
        let mut ended = Box::pin(end(self.docker.clone(), self.id.clone(), self.limits.memory_bytes));
        loop {
            tokio::select! {
                exit = &mut ended, if said.borrow().is_none() => {
                    let _its_last_words = tokio::time::timeout(LAST_WORDS, &mut self.flow).await;
                    said.send_replace(Some(exit));
                }
                changed = wished.changed() => {
                    if changed.is_err() {
                        break; // nobody holds it any more
                    }
                    let wishes = *wished.borrow_and_update();
                    if said.borrow().is_none() {
                        self.fulfil(wishes, &mut done).await;
                    }
                }
            }
        }
        let mut tries = 1;
        while !remove(&self.docker, &self.id).await {
            if tries < REMOVALS {
                tries += 1;
                tokio::time::sleep(REMOVAL_PAUSE).await;
                continue;
            }
            // Whoever is left in it still has the user id: it must not be given to another.
            std::mem::forget(self.departure.lease.take());
            break;
        }
    }

    async fn fulfil(&self, wishes: Wishes, done: &mut Wishes) {
        if wishes.kill && !std::mem::replace(&mut done.kill, true) {
            self.signal("SIGKILL").await;
        } else if wishes.terminate && !std::mem::replace(&mut done.terminate, true) {
            self.signal("SIGTERM").await;
        }
        let limit_processor = wishes.limit_processor && request::limits_processor_later(self.kernel);
        if limit_processor && !wishes.kill && !std::mem::replace(&mut done.limit_processor, true) {
            self.limit_processor().await;
        }
    }

    async fn signal(&self, signal: &str) {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        if let Err(error) = self.docker.kill_container(&self.id, Some(options)).await {
            // Usually it has ended already, which is no news.
            tracing::debug!(label = self.label, signal, error = explain(&error), "a signal did not arrive");
        }
    }

    async fn limit_processor(&self) {
        let (period, quota) = request::processor_share(self.limits.cpu_percent);
        let limits = ContainerUpdateBody {
            cpu_period: Some(period),
            cpu_quota: Some(quota),
            ..ContainerUpdateBody::default()
        };
        let Err(error) = self.docker.update_container(&self.id, limits).await else {
            cgroup::keep_fair(self.pid, self.limits.cpu_weight);
            return;
        };
        // One that has ended needs no limit.
        let runs = inspect(&self.docker, &self.id).await.ok().and_then(|container| container.state?.running);
        if runs != Some(false) {
            let (label, error) = (&self.label, explain(&error));
            tracing::error!(label, error, "killing a process whose processor share cannot be limited");
            self.signal("SIGKILL").await;
        }
    }
}

/// Waits for a container's end and asks how it came.
async fn end(docker: Docker, id: String, memory_bytes: u64) -> Exit {
    let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
    let code = match docker.wait_container(&id, Some(options)).next().await {
        Some(Ok(answer)) => answer.status_code,
        Some(Err(Error::DockerContainerWaitError { code, .. })) => code,
        other => {
            let error = other.and_then(Result::err).map(|error| explain(&error));
            tracing::error!(container = id, error, "the Docker daemon does not say how a container ended");
            return Exit::Unknown;
        }
    };
    let killed = code == SIGNALS + i64::from(libc::SIGKILL);
    let state = inspect(&docker, &id).await.ok().and_then(|container| container.state);
    if killed && state.is_some_and(|state| state.oom_killed == Some(true)) {
        return Exit::OutOfMemory { limit_bytes: memory_bytes };
    }
    exit(code)
}

/// A program that ends with such a code by itself cannot be told from one that a signal ended.
fn exit(code: i64) -> Exit {
    let Ok(code) = i32::try_from(code) else { return Exit::Unknown };
    let signal = code - SIGNALS as i32;
    if (1..=64).contains(&signal) { Exit::Signal(signal) } else { Exit::Code(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_above_128_are_signals() {
        assert_eq!(exit(0), Exit::Code(0));
        assert_eq!(exit(128), Exit::Code(128));
        assert_eq!(exit(137), Exit::Signal(9));
        assert_eq!(exit(139), Exit::Signal(11));
        assert_eq!(exit(255), Exit::Code(255));
    }
}
