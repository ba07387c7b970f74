//! The Docker sandbox against a real daemon. Where there can be none these tests are passed over, and
//! say so.

mod attacks;
mod gvisor;
mod life;
mod limits;
mod ordinary_user;
mod walls;

use std::sync::atomic::{AtomicU32, Ordering};

use bailey_sandbox::{DockerConfig, DockerSandbox, Launcher, Process, ProcessSpec, Sandbox};
use bollard::{API_DEFAULT_VERSION, Docker, query_parameters::ListContainersOptionsBuilder};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{ChildStderr, ChildStdin, ChildStdout},
};

use crate::fixture::{Outcome, finish, root, within};

/// Says "ready" and stays.
const STAYS: &str = "import threading\nprint('ready', flush=True)\nthreading.Event().wait()\n";

/// A configuration with an instance of its own, so that no other test's containers are seen.
fn config(daemon: &bailey_testkit::docker::Docker) -> DockerConfig {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let instance = format!("test-{}-{}", std::process::id(), TESTS.fetch_add(1, Ordering::Relaxed));
    DockerConfig {
        socket: daemon.socket(),
        instance,
        launcher: Launcher::program(env!("CARGO_BIN_EXE_bailey-sandbox-launcher")),
        ..DockerConfig::new(root())
    }
}

/// An opened sandbox, and what the daemon knows of its containers.
pub(crate) struct Yard {
    pub(crate) sandbox: Sandbox,
    client: Docker,
    instance: String,
}

/// Opens one, if there can be a daemon.
pub(crate) async fn yard() -> Option<Yard> {
    let daemon = bailey_testkit::docker::shared()?;
    Some(open(config(daemon)).await)
}

async fn open(config: DockerConfig) -> Yard {
    let client = Docker::connect_with_unix(config.socket.to_str().unwrap(), 60, API_DEFAULT_VERSION).unwrap();
    let client = client.negotiate_version().await.unwrap();
    let instance = config.instance.clone();
    let docker = within(DockerSandbox::open(config)).await.unwrap();
    Yard { sandbox: Sandbox::Docker(docker), client, instance }
}

impl Yard {
    /// The names of the containers that are there, running or not.
    async fn containers(&self) -> Vec<String> {
        let filters =
            std::collections::HashMap::from([("label", vec![format!("bailey.instance={}", self.instance)])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let found = self.client.list_containers(Some(options)).await.unwrap();
        found.into_iter().flat_map(|container| container.names.unwrap_or_default()).collect()
    }

    async fn run(&self, spec: ProcessSpec, input: &str) -> Outcome {
        finish(within(self.sandbox.spawn(spec)).await.unwrap(), input).await
    }

    /// Starts a plugin, waits for its first line and says that it has started.
    async fn start(&self, spec: ProcessSpec) -> (Process, String, Pipes) {
        let mut process = within(self.sandbox.spawn(spec)).await.unwrap();
        let stdio = process.take_stdio().unwrap();
        let mut pipes =
            Pipes { _stdin: stdio.stdin, stdout: BufReader::new(stdio.stdout), _stderr: stdio.stderr };
        let line = pipes.line().await;
        process.started();
        (process, line, pipes)
    }
}

/// The pipes of a plugin that goes on.
struct Pipes {
    _stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    _stderr: ChildStderr,
}

impl Pipes {
    async fn line(&mut self) -> String {
        let mut line = String::new();
        within(self.stdout.read_line(&mut line)).await.unwrap();
        line.trim().to_owned()
    }
}
