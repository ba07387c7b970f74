//! A wall that cannot be put up is named, and the plugin never runs. The launcher is started under
//! a filter that makes one system call look as it does on a kernel or in a container without it.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bailey_sandbox::{
    CgroupParent, Launcher, Layer, LayerError, LayerState, NativeConfig, NativeSandbox, PythonRoot,
    SpawnError, survey,
};
use rustix::fs::inotify;

use crate::{
    fixture::{PYTHON, Plugin, config, finish, native, readable_folder, until, within},
    groups::Groups,
};

/// Python that forbids one system call to itself and becomes the launcher.
const WRAPPER: &str = r#"#!/usr/bin/python3 -IS
import ctypes, os, struct, sys
LAUNCHER, CALL, ANSWER = {launcher}, {call}, {answer}
rows = [(0x20, 0, 0, 0), (0x15, 0, 1, CALL), (6, 0, 0, 0x00050000 | ANSWER), (6, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(rows), ctypes.addressof(code)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv(LAUNCHER, [LAUNCHER, *sys.argv[1:]])
"#;

/// A launcher for which a system call does not work.
pub(crate) fn launcher_without(folder: &Path, call: i64, answer: i32) -> Launcher {
    let text = WRAPPER
        .replace("{launcher}", &format!("{:?}", env!("CARGO_BIN_EXE_bailey-sandbox-launcher")))
        .replace("{call}", &call.to_string())
        .replace("{answer}", &answer.to_string());
    Launcher::program(write_program(folder, &text))
}

fn write_program(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("launcher");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn open_error(config: NativeConfig) -> LayerError {
    within(NativeSandbox::open(config)).await.expect_err("a wall is missing")
}

#[tokio::test]
async fn a_system_call_that_does_not_work_names_its_wall() {
    let cases = [
        (libc::SYS_clone, libc::EPERM, Layer::Namespaces),
        (libc::SYS_unshare, libc::EPERM, Layer::Namespaces),
        (libc::SYS_sethostname, libc::EPERM, Layer::Namespaces),
        (libc::SYS_mount, libc::EPERM, Layer::FileSystem),
        (libc::SYS_mount_setattr, libc::ENOSYS, Layer::FileSystem),
        (libc::SYS_pivot_root, libc::EINVAL, Layer::FileSystem),
        (libc::SYS_umount2, libc::EPERM, Layer::FileSystem),
        (libc::SYS_prlimit64, libc::EPERM, Layer::ResourceLimits),
        (libc::SYS_setgroups, libc::EPERM, Layer::Identity),
        (libc::SYS_setresgid, libc::EPERM, Layer::Identity),
        (libc::SYS_setresuid, libc::EPERM, Layer::Identity),
        (libc::SYS_capset, libc::EPERM, Layer::Capabilities),
        (libc::SYS_landlock_create_ruleset, libc::ENOSYS, Layer::Landlock),
        (libc::SYS_landlock_create_ruleset, libc::EOPNOTSUPP, Layer::Landlock),
        (libc::SYS_landlock_restrict_self, libc::EPERM, Layer::Landlock),
        (libc::SYS_seccomp, libc::EINVAL, Layer::Seccomp),
        (libc::SYS_execveat, libc::EACCES, Layer::Program),
        (libc::SYS_close_range, libc::ENOSYS, Layer::Launcher),
    ];
    for (call, answer, layer) in cases {
        let folder = readable_folder();
        let error =
            open_error(NativeConfig { launcher: launcher_without(folder.path(), call, answer), ..config() })
                .await;
        assert_eq!(error.layer, layer, "call {call}: {error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("sandbox layer `{layer}` could not be applied: ")), "{text}");
        assert!(text.contains("; hint: "), "{text}");
        assert!(
            text.contains(": cannot ") || text.contains("this kernel has no "),
            "says what was tried: {text}"
        );
    }
}

#[tokio::test]
async fn a_launcher_that_is_none_is_named() {
    let folder = readable_folder();
    let missing = Launcher::program(folder.path().join("nothing"));
    assert_eq!(open_error(NativeConfig { launcher: missing, ..config() }).await.layer, Layer::Launcher);
    for text in ["#!/bin/sh\nexit 0\n", "#!/bin/sh\nkill -9 $$\n"] {
        let launcher = Launcher::program(write_program(folder.path(), text));
        let error = open_error(NativeConfig { launcher, ..config() }).await;
        assert_eq!(error.layer, Layer::Launcher, "{error}");
    }
}

#[tokio::test]
async fn control_groups_that_are_not_there_are_named() {
    let parent = CgroupParent::Named("bailey-no-such-group".into());
    let error = open_error(NativeConfig { cgroup_parent: parent, ..config() }).await;
    assert_eq!(error.layer, Layer::CgroupLimits);
    assert!(error.reason.contains("bailey-no-such-group"), "{error}");
}

/// Watches a plugin's file from the host: opened means that the plugin ran.
struct Canary(std::os::fd::OwnedFd);

impl Canary {
    fn watch(plugin: &Plugin) -> Self {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&watch, plugin.path().join("__main__.py"), inotify::WatchFlags::OPEN).unwrap();
        Self(watch)
    }

    fn ran(&self) -> bool {
        let mut buffer = [0_u8; 4096];
        rustix::io::read(&self.0, &mut buffer).is_ok()
    }
}

#[tokio::test]
async fn a_root_without_a_mount_point_is_named_and_the_plugin_never_runs() {
    let cache = readable_folder();
    let root = PythonRoot::build(Path::new(PYTHON), cache.path()).unwrap();
    let (plugin, groups) = (Plugin::new("print('ran')\n"), Groups::new());
    let config = NativeConfig { cgroup_parent: groups.parent(), root: root.clone(), ..config() };
    let sandbox = within(NativeSandbox::open(config)).await.unwrap();
    for (name, layer) in [("proc", Layer::Proc), ("tmp", Layer::Tmp), ("plugin", Layer::FileSystem)] {
        let (place, away) = (root.path().join(name), root.path().join("away"));
        std::fs::rename(&place, &away).unwrap();
        let canary = Canary::watch(&plugin);
        match within(sandbox.spawn(plugin.spec())).await {
            Err(SpawnError::Layer(error)) => assert_eq!(error.layer, layer, "{error}"),
            other => panic!("without {name}: {other:?}"),
        }
        until("nothing is left of the attempt", || groups.members().is_empty()).await;
        assert!(!canary.ran(), "without {name} the plugin ran");
        std::fs::rename(&away, &place).unwrap();
    }
    // The same canary notices a plugin that does run.
    let canary = Canary::watch(&plugin);
    let outcome = finish(within(sandbox.spawn(plugin.spec())).await.unwrap(), "").await;
    assert_eq!((outcome.stdout.as_str(), canary.ran()), ("ran\n", true));
    drop(sandbox);
    until("the group is removed", || groups.members().is_empty()).await;
}

#[tokio::test]
async fn folders_that_cannot_be_used_are_named() {
    let sandbox = native().await;
    let plugin = Plugin::new("");
    std::fs::set_permissions(plugin.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    match within(sandbox.spawn(plugin.spec())).await {
        Err(SpawnError::Layer(error)) => assert_eq!(error.layer, Layer::FileSystem, "{error}"),
        other => panic!("{other:?}"),
    }
    let mut spec = plugin.spec();
    spec.packages_dir = Some("/no/such/packages".into());
    let error = within(sandbox.spawn(spec)).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/packages"), "{error}");
}

/// What a survey says of this host when a system call does not work: the walls that fail, and those
/// that could not be tried.
async fn surveyed(launcher: Option<Launcher>) -> (Vec<Layer>, Vec<Layer>) {
    let mut config = config();
    if let Some(launcher) = launcher {
        config.launcher = launcher;
    }
    let survey = within(survey(config)).await;
    let of = |wanted: fn(&LayerState) -> bool| {
        let those = survey.layers.iter().filter(|finding| wanted(&finding.state));
        those.map(|finding| finding.layer).collect()
    };
    (of(|state| matches!(state, LayerState::Fails(_))), of(|state| *state == LayerState::NotTried))
}

#[tokio::test]
async fn a_survey_goes_on_after_a_wall_that_fails() {
    use Layer::{
        Capabilities, FileSystem, Identity, Landlock, Launcher, Namespaces, Proc, Program, ResourceLimits,
        Seccomp, Tmp,
    };
    assert_eq!(surveyed(None).await, (vec![], vec![]), "this host is sound");
    let inside = vec![FileSystem, Proc, Tmp, Program];
    let cases = [
        (libc::SYS_unshare, libc::EPERM, vec![Namespaces], inside.clone()),
        // Without this there is no process of the walls' own; the rest is tried all the same.
        (libc::SYS_clone, libc::EPERM, vec![Namespaces], inside),
        (libc::SYS_mount, libc::EPERM, vec![FileSystem], vec![Proc, Tmp, Program]),
        (libc::SYS_prlimit64, libc::EPERM, vec![ResourceLimits], vec![]),
        (libc::SYS_setresuid, libc::EPERM, vec![Identity], vec![]),
        (libc::SYS_capset, libc::EPERM, vec![Capabilities], vec![]),
        (libc::SYS_landlock_create_ruleset, libc::ENOSYS, vec![Landlock], vec![]),
        (libc::SYS_seccomp, libc::EINVAL, vec![Seccomp], vec![Program]),
        (libc::SYS_execveat, libc::EACCES, vec![Program], vec![]),
    ];
    for (call, answer, fails, not_tried) in cases {
        let folder = readable_folder();
        let found = surveyed(Some(launcher_without(folder.path(), call, answer))).await;
        assert_eq!(found, (fails, not_tried), "call {call}");
    }
    let missing = bailey_sandbox::Launcher::program("/no/such/launcher");
    let (fails, not_tried) = surveyed(Some(missing)).await;
    assert_eq!((fails, not_tried.len()), (vec![Launcher], 13));
}
