//! Tools of ours: what they are shown, and the walls that must be there. The attacks on a tool's walls are
//! the builder's, which has one.

use std::{io::Write, os::unix::fs::chown};

use bailey_sandbox::{
    Access, CgroupParent, DEFAULT_TOOL_UID, Exit, Layer, LayerError, Shown, SpawnError, Tool, ToolConfig,
    ToolSandbox, ToolSpec,
};

use crate::{
    fixture::{Outcome, config, finish, readable_folder, root, within},
    groups::Groups,
    layers::launcher_without,
};

fn tools() -> ToolConfig {
    ToolConfig {
        launcher: config().launcher,
        root: root(),
        uid: DEFAULT_TOOL_UID,
        cgroup_parent: CgroupParent::Auto,
    }
}

fn landlock_version() -> i64 {
    // SAFETY: without attributes and with this flag, the call only answers with a number.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, 1) }
}

fn program(text: &str) -> ToolSpec {
    let arguments = ["-I", "-S", "-c", text].map(Into::into).to_vec();
    ToolSpec { arguments, ..ToolSpec::new("test", root().interpreter()) }
}

async fn run(spec: ToolSpec) -> Outcome {
    let sandbox = within(ToolSandbox::open(tools())).await.unwrap();
    finish(within(sandbox.spawn(spec)).await.unwrap().process, "").await
}

#[tokio::test]
async fn a_tool_writes_to_its_folder_and_reads_what_it_is_shown() {
    let (work, shown) = (readable_folder(), readable_folder());
    chown(work.path(), Some(DEFAULT_TOOL_UID), Some(DEFAULT_TOOL_UID)).unwrap();
    std::fs::write(shown.path().join("file"), "shown").unwrap();
    let outcome = run(ToolSpec {
        shown: vec![
            Shown::new(work.path(), "/work", Access::Write),
            Shown::new(shown.path().join("file"), "/there/file", Access::Read),
        ],
        folder: "/work".into(),
        environment: vec![("ONLY".into(), "this".into())],
        ..program(
            "import os\nopen('result', 'w').write(open('/there/file').read())\nprint(sorted(os.listdir('/')), dict(os.environ))\n\
             try: open('/there/file', 'a')\nexcept OSError as error: print(error.strerror)\n",
        )
    })
    .await;
    assert_eq!(std::fs::read_to_string(work.path().join("result")).unwrap(), "shown");
    assert!(outcome.stdout.contains("'there', 'tmp', 'usr', 'work'] {'ONLY': 'this'"), "{outcome:?}");
    assert!(outcome.stdout.contains("Read-only file system") || outcome.stdout.contains("Permission denied"));
}

#[tokio::test]
async fn the_host_answers_at_the_one_port_and_without_one_there_is_no_network() {
    const ASK: &str = "import socket\nfor port in (3128, 3129):\n try: print(socket.create_connection(('127.0.0.1', port), 5).recv(9))\n except OSError as error: print(error.strerror)\n";
    let sandbox = within(ToolSandbox::open(tools())).await.unwrap();
    let Tool { process, listener } =
        within(sandbox.spawn(ToolSpec { port: Some(3128), ..program(ASK) })).await.unwrap();
    let listener = listener.unwrap();
    let answer = std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"hello").unwrap());
    let outcome = finish(process, "").await;
    answer.join().unwrap();
    let mut lines = outcome.stdout.lines();
    assert_eq!(lines.next(), Some("b'hello'"), "{outcome:?}");
    // Nobody listens at the other port; where landlock knows about TCP (version 4), it is not even tried.
    let refusal = if landlock_version() >= 4 { "Permission denied" } else { "Connection refused" };
    assert_eq!(lines.next(), Some(refusal), "{outcome:?}");
    let outcome = run(program(ASK)).await;
    assert!(!outcome.stdout.contains("hello"), "{outcome:?}");
}

#[tokio::test]
async fn a_system_call_that_does_not_work_names_its_wall() {
    let open = async |config: ToolConfig| -> LayerError {
        within(ToolSandbox::open(config)).await.expect_err("a wall is missing")
    };
    for (call, answer, layer) in [
        (libc::SYS_clone, libc::EPERM, Layer::Namespaces),
        (libc::SYS_unshare, libc::EPERM, Layer::Namespaces),
        (libc::SYS_socket, libc::EAFNOSUPPORT, Layer::Network),
        (libc::SYS_ioctl, libc::EPERM, Layer::Network),
        (libc::SYS_bind, libc::EADDRNOTAVAIL, Layer::Network),
        (libc::SYS_sendmsg, libc::EPERM, Layer::Network),
        (libc::SYS_mount, libc::EPERM, Layer::FileSystem),
        (libc::SYS_mount_setattr, libc::ENOSYS, Layer::FileSystem),
        (libc::SYS_pivot_root, libc::EINVAL, Layer::FileSystem),
        (libc::SYS_prlimit64, libc::EPERM, Layer::ResourceLimits),
        (libc::SYS_setresuid, libc::EPERM, Layer::Identity),
        (libc::SYS_capset, libc::EPERM, Layer::Capabilities),
        (libc::SYS_landlock_create_ruleset, libc::ENOSYS, Layer::Landlock),
        (libc::SYS_seccomp, libc::EINVAL, Layer::Seccomp),
    ] {
        let folder = readable_folder();
        let launcher = launcher_without(folder.path(), call, answer);
        let error = open(ToolConfig { launcher, ..tools() }).await;
        assert_eq!(error.layer, layer, "call {call}: {error}");
        assert!(error.to_string().contains("; hint: "), "{error}");
    }
    let parent = CgroupParent::Named("bailey-no-such-group".into());
    assert_eq!(open(ToolConfig { cgroup_parent: parent, ..tools() }).await.layer, Layer::CgroupLimits);
}

#[tokio::test]
async fn what_cannot_be_shown_or_executed_is_named() {
    let sandbox = within(ToolSandbox::open(tools())).await.unwrap();
    let mut spec = program("");
    spec.shown = vec![Shown::new("/no/such/thing", "/work", Access::Read)];
    let error = within(sandbox.spawn(spec)).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/thing"), "{error}");
    match within(sandbox.spawn(ToolSpec::new("test", "/no/such/program"))).await {
        Err(SpawnError::Layer(error)) => assert_eq!(error.layer, Layer::Program, "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tool_takes_all_it_started_along_and_leaves_no_group() {
    let groups = Groups::new();
    let config = ToolConfig { cgroup_parent: groups.parent(), ..tools() };
    let sandbox = within(ToolSandbox::open(config)).await.unwrap();
    let spec = program("import os, sys\nif os.fork():\n sys.exit(3)\nos.setsid()\nwhile True: pass\n");
    let Tool { mut process, .. } = within(sandbox.spawn(spec)).await.unwrap();
    assert_eq!(within(process.wait()).await, Exit::Code(3));
    drop(process);
    within(sandbox.settle()).await;
    assert_eq!(groups.members(), Vec::<std::path::PathBuf>::new());
}
