//! When the host is killed, its plugins die with it, and the next host clears what is left.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use bailey_sandbox::{NativeConfig, NativeSandbox};

use crate::{
    fixture::{PYTHON, Plugin, cache, config, is_alive, root, until, within},
    groups::Groups,
};

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test needs a host process that it can kill")]
async fn killing_the_host_kills_the_plugin() {
    let plugin = Plugin::new(
        "import signal, sys, threading\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready')\n\
         threading.Thread(target=threading.Event().wait).start()\n",
    );
    root(); // so that the tool finds it in the cache
    let groups = Groups::new();
    let mut host = Command::new(env!("CARGO_BIN_EXE_bailey-sandbox-launcher"))
        .arg("run")
        .args([PYTHON.as_ref(), cache().as_os_str(), plugin.path().as_os_str(), groups.name().as_ref()])
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
    let said = line(&mut BufReader::new(host.stderr.take().unwrap()));
    let pid: u32 = said.trim().strip_prefix("pid ").unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    assert_eq!(line(&mut BufReader::new(host.stdout.take().unwrap())), "ready\n");
    assert!(is_alive(pid));

    host.kill().unwrap();
    // Nobody else looks into this test's groups, so only the death signal can have done it.
    until("the plugin dies with its host", || !is_alive(pid)).await;
    host.wait().unwrap();

    assert!(!groups.members().is_empty(), "a killed host cannot clean up");
    let next = NativeConfig { cgroup_parent: groups.parent(), ..config() };
    drop(within(NativeSandbox::open(next)).await.unwrap());
    until("the next host removes the groups", || groups.members().is_empty()).await;
}
