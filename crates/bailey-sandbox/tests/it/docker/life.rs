//! A container's life: talking, ending, being ended, and leaving nothing behind.

use std::{io::BufRead, process::Stdio, time::Duration};

use bailey_sandbox::{Exit, PythonRoot};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{STAYS, config, open, yard};
use crate::fixture::{PYTHON, Plugin, cache, is_alive, root, until, within};

#[tokio::test]
async fn a_process_echoes_reports_its_code_and_keeps_its_errors_apart() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new(
        "import sys\nfor line in sys.stdin: print('echo', line, end='')\nprint('oops', file=sys.stderr)\nexit(7)\n",
    );
    let outcome = yard.run(plugin.spec(), "one\nzwölf\n").await;
    assert_eq!(outcome.stdout, "echo one\necho zwölf\n");
    assert_eq!(outcome.stderr, "oops\n");
    assert_eq!(outcome.exit, Exit::Code(7));
}

/// Every byte, of every value, both ways, while the host reads only after it has written much.
#[tokio::test]
async fn ten_megabytes_go_each_way_intact() {
    const BYTES: usize = 10 * 1024 * 1024;
    let Some(yard) = yard().await else { return };
    let program = "\
import hashlib, sys
data = sys.stdin.buffer.read()
sys.stderr.write(hashlib.sha256(data).hexdigest())
sys.stdout.buffer.write(data[::-1])
";
    let plugin = Plugin::new(program);
    let mut process = within(yard.sandbox.spawn(plugin.spec())).await.unwrap();
    let mut stdio = process.take_stdio().unwrap();
    // Neither periodic in the pipes' sizes nor friendly to text.
    let sent: Vec<u8> = (0..BYTES).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
    let (mut back, mut errors) = (Vec::new(), String::new());
    within(async {
        stdio.stdin.write_all(&sent).await.unwrap();
        drop(stdio.stdin);
        tokio::try_join!(stdio.stdout.read_to_end(&mut back), stdio.stderr.read_to_string(&mut errors))
            .unwrap();
    })
    .await;
    assert_eq!(errors, hex::encode(Sha256::digest(&sent)));
    back.reverse();
    assert!(back == sent, "{} bytes came back, and they differ", back.len());
    assert_eq!(within(process.wait()).await, Exit::Code(0));
}

#[tokio::test]
async fn kill_ends_one_that_ignores_requests_and_wait_answers_again() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new(
        "import signal, threading\nsignal.signal(signal.SIGTERM, lambda *_: print('heard', flush=True))\n\
         print('ready', flush=True)\nwhile True: threading.Event().wait(1)\n",
    );
    let (mut process, line, mut pipes) = yard.start(plugin.spec()).await;
    assert_eq!(line, "ready");
    assert!(is_alive(process.pid()));
    process.terminate();
    assert_eq!(pipes.line().await, "heard", "it was asked politely, and stays");
    assert!(tokio::time::timeout(Duration::ZERO, process.wait()).await.is_err(), "it ended by itself");
    process.kill();
    assert_eq!(within(process.wait()).await, Exit::Signal(9));
    assert_eq!(within(process.wait()).await, Exit::Signal(9));
    assert!(process.take_stdio().is_none());
}

#[tokio::test]
async fn terminate_is_heard_by_a_handler() {
    let Some(yard) = yard().await else { return };
    let program = "import signal, sys, threading\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n\
                   print('ready', flush=True)\nwhile True: threading.Event().wait(1)\n";
    let plugin = Plugin::new(program);
    let (mut process, _, _pipes) = yard.start(plugin.spec()).await;
    process.terminate();
    assert_eq!(within(process.wait()).await, Exit::Code(5));
}

#[tokio::test]
async fn a_crash_is_told_from_a_kill() {
    let Some(yard) = yard().await else { return };
    let outcome = yard.run(Plugin::new("import ctypes\nctypes.string_at(0)\n").spec(), "").await;
    assert_eq!(outcome.exit, Exit::Signal(11));
}

#[tokio::test]
async fn hanging_up_ends_a_plugin_that_reads_its_input() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new("import sys\nprint('ready', flush=True)\nsys.stdin.read()\n");
    let (mut process, _, pipes) = yard.start(plugin.spec()).await;
    drop(pipes);
    assert_eq!(within(process.wait()).await, Exit::Code(0));
}

#[tokio::test]
async fn nothing_is_left_of_fifty_that_were_unloaded() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new(STAYS);
    for round in 0..5 {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (sandbox, spec) = (yard.sandbox.clone(), plugin.spec());
            all.spawn(async move { within(sandbox.spawn(spec)).await.unwrap() });
        }
        let processes = within(all.join_all()).await;
        assert_eq!(yard.containers().await.len(), 10);
        // Unloaded in every way there is.
        for (number, process) in processes.iter().enumerate() {
            match (number + round) % 3 {
                0 => process.kill(),
                1 => process.started(),
                _ => {}
            }
        }
        drop(processes);
        within(yard.sandbox.settle()).await;
        assert_eq!(yard.containers().await, [""; 0]);
    }
}

#[tokio::test]
async fn a_start_nobody_waits_for_leaves_nothing() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new(STAYS);
    let mut start = Box::pin(yard.sandbox.spawn(plugin.spec()));
    assert!(futures_util::poll!(&mut start).is_pending(), "ready at once?");
    within(async {
        while yard.containers().await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(start);
    within(async {
        while !yard.containers().await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_image_is_made_once() {
    let Some(first) = yard().await else { return };
    let name = format!("bailey-root:{}", root().identity());
    let made = first.client.inspect_image(&name).await.unwrap();
    let again = open(config(bailey_testkit::docker::shared().unwrap())).await;
    let found = again.client.inspect_image(&name).await.unwrap();
    assert_eq!((&made.id, &made.created), (&found.id, &found.created));
    let history =
        again.client.list_images(None::<bollard::query_parameters::ListImagesOptions>).await.unwrap();
    assert_eq!(history.iter().filter(|image| image.repo_tags.contains(&name)).count(), 1);
    // Another root is another image.
    let other = tempfile::tempdir().unwrap();
    let same = PythonRoot::build(PYTHON.as_ref(), other.path()).unwrap();
    assert_eq!(same.identity(), root().identity(), "the name is what it is made of, not where it lies");
}

/// The daemon takes its containers along; the host notices, goes on, and says what is wrong.
#[tokio::test]
async fn a_daemon_that_goes_away_takes_its_plugins_along() {
    if bailey_testkit::docker::shared().is_none() {
        return;
    }
    let daemon = bailey_testkit::docker::Docker::start().unwrap();
    let yard = open(config(&daemon)).await;
    let plugin = Plugin::new(STAYS);
    let (mut process, _, mut pipes) = yard.start(plugin.spec()).await;
    let pid = process.pid();
    tokio::task::spawn_blocking(move || drop(daemon)).await.unwrap();
    let exit = within(process.wait()).await;
    assert!(matches!(exit, Exit::Signal(9) | Exit::Unknown), "{exit:?}");
    assert!(!is_alive(pid));
    assert_eq!(pipes.line().await, "", "end of file");
    drop(process);
    within(yard.sandbox.settle()).await;
    let error = within(yard.sandbox.spawn(plugin.spec())).await.unwrap_err().to_string();
    assert!(error.contains("sandbox layer `docker daemon`") && error.contains("hint: "), "{error}");
}

/// Says "ready", and hears no request to end.
const IGNORES: &str = "import signal, threading\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\n\
                       threading.Thread(target=threading.Event().wait).start()\n";

/// A host that runs one plugin in a container.
struct OtherHost {
    process: std::process::Child,
    plugin: u32,
}

impl OtherHost {
    #[expect(clippy::disallowed_methods, reason = "the test needs a host process that it can kill")]
    fn start(plugin: &Plugin, instance: &str) -> Self {
        let socket = bailey_testkit::docker::shared().unwrap().socket();
        let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_bailey-sandbox-launcher"))
            .arg("run-docker")
            .args([PYTHON.as_ref(), cache().as_os_str(), plugin.path().as_os_str(), socket.as_os_str()])
            .arg(instance)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let line = |reader: &mut dyn BufRead| {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line
        };
        let said = line(&mut std::io::BufReader::new(process.stderr.take().unwrap()));
        let plugin = said.trim().strip_prefix("pid ").unwrap_or_else(|| panic!("{said}")).parse().unwrap();
        assert_eq!(line(&mut std::io::BufReader::new(process.stdout.take().unwrap())), "ready\n");
        Self { process, plugin }
    }

    /// The process that watches over it.
    fn watchdog(&self) -> u32 {
        let children = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let children = children
            .map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
        let children: Vec<u32> = children
            .flat_map(|line| line.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
            .collect();
        assert_eq!(children.len(), 1);
        children[0]
    }
}

#[tokio::test]
async fn killing_the_host_kills_the_plugin() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new(IGNORES);
    let mut host = OtherHost::start(&plugin, &yard.instance);
    let (pid, watchdog) = (host.plugin, host.watchdog());
    assert!(is_alive(pid) && is_alive(watchdog));
    host.process.kill().unwrap();
    until("the watchdog ends the plugin of its dead host", || !is_alive(pid)).await;
    until("the watchdog ends", || !is_alive(watchdog)).await;
    assert_eq!(yard.containers().await, [""; 0]);
    host.process.wait().unwrap();
}

/// Killed together with its watchdog, a host leaves its containers running: the daemon does not know
/// that nobody is there. The next host of the same instance removes them, and leaves alone what a
/// living host has.
#[tokio::test]
async fn the_next_host_removes_what_a_killed_one_left() {
    let Some(living) = yard().await else { return };
    let plugin = Plugin::new(IGNORES);
    let (mut kept, _, _pipes) = living.start(plugin.spec()).await;
    let mut host = OtherHost::start(&plugin, &living.instance);
    assert_eq!(living.containers().await.len(), 2);
    let watchdog = rustix::process::Pid::from_raw(host.watchdog().cast_signed()).unwrap();
    rustix::process::kill_process(watchdog, rustix::process::Signal::KILL).unwrap();
    host.process.kill().unwrap();
    host.process.wait().unwrap();

    let pid = host.plugin;
    assert!(is_alive(pid));
    let mut configuration = config(bailey_testkit::docker::shared().unwrap());
    configuration.instance.clone_from(&living.instance);
    let next = open(configuration).await;
    until("the next host removes the container", || !is_alive(pid)).await;
    within(next.sandbox.settle()).await;
    assert_eq!(next.containers().await.len(), 1, "the living host's stays");
    assert!(tokio::time::timeout(Duration::ZERO, kept.wait()).await.is_err());
}
