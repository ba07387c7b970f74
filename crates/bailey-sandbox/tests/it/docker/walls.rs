//! What the container is made of, seen from inside and from outside.

use bailey_sandbox::{DockerConfig, DockerSandbox, Layer};

use super::{STAYS, config, yard};
use crate::fixture::{Plugin, root, within};

#[tokio::test]
async fn the_environment_is_exactly_the_clean_one() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new("import json, os\nprint(json.dumps(dict(os.environ), sort_keys=True))\n");
    let mut spec = plugin.spec();
    spec.environment = vec![("GREETING".into(), "hello".into())];
    let outcome = yard.run(spec, "").await;
    assert_eq!(
        outcome.stdout.trim(),
        r#"{"GREETING": "hello", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "TMPDIR": "/tmp"}"#
    );
    let mut spec = plugin.spec();
    spec.environment = vec![("PATH".into(), "/asked/for".into())];
    assert!(yard.run(spec, "").await.stdout.contains(r#""PATH": "/asked/for""#));
}

#[tokio::test]
async fn no_namespace_is_the_hosts_and_no_two_have_a_user() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new(STAYS);
    let (one, _, _pipes) = yard.start(plugin.spec()).await;
    let (two, _, _more_pipes) = yard.start(plugin.spec()).await;
    for name in ["pid", "mnt", "net", "ipc", "uts", "cgroup"] {
        let space = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
        assert_ne!(space(one.pid()), space(std::process::id()), "{name}");
        assert_ne!(space(one.pid()), space(two.pid()), "{name}");
    }
    let user = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let ids = status.lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap().to_owned();
        ids.split('\t').map(|id| id.parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    assert_ne!(user(one.pid()), user(two.pid()));
    assert!(user(one.pid()).iter().all(|id| (200_000..265_535).contains(id)));
}

/// What of the machine can be seen at all: nothing it would tell a stranger.
#[tokio::test]
async fn the_machine_does_not_show() {
    let Some(yard) = yard().await else { return };
    let program = "\
import os, socket
def show(path):
    try:
        if os.path.islink(path): return
        text = str(os.listdir(path)) if os.path.isdir(path) else open(path, 'rb').read(60)
    except OSError:
        return
    if text and text != '[]': print(path, text)
for path in ('/etc/resolv.conf', '/etc/hosts', '/etc/hostname', '/sys', '/dev/pts', '/dev/mqueue'): show(path)
for name in os.listdir('/proc'):
    if not name.isdigit(): show('/proc/' + name)
print(*sorted(os.listdir('/')))
print(socket.gethostname(), os.getpid(), [name for name in os.listdir('/proc') if name.isdigit()])
print(*sorted(name for name in os.listdir('/dev') if name != 'core'))
";
    let outcome = yard.run(Plugin::new(program).spec(), "").await;
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{outcome:?}");
    assert_eq!(lines[1], "plugin 1 ['1']", "{outcome:?}");
    assert_eq!(
        lines[2], "fd full mqueue null ptmx pts random stderr stdin stdout tty urandom zero",
        "{outcome:?}"
    );
}

/// Executing is allowed, because the runtime itself must. It leads nowhere.
#[tokio::test]
async fn a_program_that_is_executed_again_has_the_same_walls() {
    let Some(yard) = yard().await else { return };
    let again = "\
import os, socket
print(*(line.split()[1] for line in open('/proc/self/status') if line.split(':')[0] in (
    'Seccomp', 'NoNewPrivs', 'CapPrm', 'CapEff', 'CapBnd', 'Pid')), flush=True)
for name, door in {'fork': os.fork, 'socket': socket.socket, 'open': lambda: open('/plugin/x', 'w'),
                   'own memory': lambda: open('/proc/self/mem')}.items():
    try:
        door()
        print('OPEN', name, flush=True)
    except OSError as error:
        print(error.errno, name, flush=True)
";
    let plugin = Plugin::new(
        "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', open('/plugin/again.py').read()])\n",
    );
    plugin.file("again.py", again);
    let outcome = yard.run(plugin.spec(), "").await;
    let none = "0000000000000000";
    let expected = format!("1 {none} {none} {none} 1 2\n1 fork\n1 socket\n30 open\n13 own memory\n");
    assert_eq!(outcome.stdout, expected, "{outcome:?}");
}

#[tokio::test]
async fn the_folders_are_read_only_and_only_themselves() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new(
        "for path in ('/plugin/x', '/packages/x', '/x', '/dev/x', '/etc/x'):\n    try:\n        open(path, 'w')\n        \
         print('wrote', path)\n    except OSError as error:\n        print(error.errno, path)\n\
         import greeting\nprint(greeting.WORD)\n",
    );
    let packages = crate::fixture::readable_folder();
    std::fs::write(packages.path().join("greeting.py"), "WORD = 'hello'\n").unwrap();
    let spec =
        bailey_sandbox::ProcessSpec::python_plugin("test", plugin.path(), Some(packages.path().into()));
    let outcome = yard.run(spec, "").await;
    let refused = |line: &&str| line.starts_with("30 ") || line.starts_with("13 ");
    assert_eq!(outcome.stdout.lines().filter(refused).count(), 5, "{outcome:?}");
    assert!(outcome.stdout.ends_with("hello\n"), "{outcome:?}");
}

#[tokio::test]
async fn a_daemon_that_cannot_be_had_is_explained() {
    let fails = |config| async { within(DockerSandbox::open(config)).await.unwrap_err() };
    let folder = crate::fixture::readable_folder();
    let at = |name: &str| DockerConfig { socket: folder.path().join(name), ..DockerConfig::new(root()) };
    let error = fails(at("nothing")).await;
    assert_eq!(error.layer, Layer::Daemon);
    assert!(error.to_string().contains("hint: start the Docker daemon, or name the socket"), "{error}");
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("deaf")).unwrap());
    let error = fails(at("deaf")).await;
    assert!(error.to_string().contains("nobody listens"), "{error}");
    let Some(daemon) = bailey_testkit::docker::shared() else { return };
    let error = fails(DockerConfig { runtime: Some("kata".into()), ..config(daemon) }).await;
    assert!(error.to_string().contains("no runtime `kata`; hint: add it to \"runtimes\""), "{error}");
}

/// A wall the daemon leaves out is seen from inside, and nothing starts.
#[tokio::test]
async fn a_runtime_that_leaves_a_wall_out_is_refused() {
    let Some(daemon) = bailey_testkit::docker::shared() else { return };
    for (runtime, layer) in bailey_testkit::docker::LEAKY {
        let config = DockerConfig { runtime: Some((*runtime).into()), ..config(daemon) };
        let error = within(DockerSandbox::open(config)).await.unwrap_err();
        assert_eq!(format!("{:?}", error.layer), *layer, "{runtime}: {error}");
    }
}
