//! The daemon: whether it is there, whether it can put up the walls, and what its refusals mean.

use std::{io, path::Path, time::Duration};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error,
    models::{SystemInfo, SystemVersion},
};

use crate::error::{Layer, LayerError, SpawnError};

/// How long the daemon may take to answer one request, in seconds.
const ANSWER_SECONDS: u64 = 30;
/// How long it may take to take in an image.
pub(super) const IMPORT_DEADLINE: Duration = Duration::from_secs(600);
/// The oldest interface that knows all we ask for: Docker 20.10.
const OLDEST_INTERFACE: (u32, u32) = (1, 41);

/// Whose kernel a process in a container talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// This machine's.
    Machine,
    /// gVisor's, a program between the process and the machine. It reads the programs it starts, and
    /// tells less about them.
    Gvisor,
}

/// A daemon that can do all we need.
pub(super) struct Daemon {
    pub(super) docker: Docker,
    pub(super) kernel: Kernel,
    /// Its containers are in a user namespace, in which only the usual 65536 users exist.
    pub(super) remaps_users: bool,
}

/// What a Docker daemon says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerFacts {
    /// Its release, such as `24.0.5`.
    pub release: String,
    /// The newest interface it speaks, such as `1.43`.
    pub interface: String,
    /// The runtime that containers are started with; empty if neither we nor the daemon name one.
    pub runtime: String,
    /// Whether that is gVisor's: plugins then talk to its kernel and not to the machine's.
    pub is_gvisor: bool,
    /// The version of control groups it uses, `1` or `2`, and who makes them; `None` if it uses none.
    pub control_groups: Option<(String, String)>,
    /// Whether its containers are in a user namespace.
    pub remaps_users: bool,
}

impl DockerFacts {
    fn of(version: &SystemVersion, info: &SystemInfo, runtime: Option<&str>) -> Self {
        let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
        let groups = info.cgroup_version.as_ref().map(ToString::to_string).filter(|text| !text.is_empty());
        let driver = info.cgroup_driver.as_ref().map(ToString::to_string).unwrap_or_default();
        Self {
            release: word(version.version.as_deref()),
            interface: word(version.api_version.as_deref()),
            runtime: word(runtime.or(info.default_runtime.as_deref())),
            is_gvisor: kernel(info, runtime) == Kernel::Gvisor,
            control_groups: groups.map(|version| (version, driver)),
            remaps_users: remaps_users(info),
        }
    }
}

/// Asks a daemon what it is, whether or not it can do all we need.
pub(super) async fn ask(socket: &Path, runtime: Option<&str>) -> Result<DockerFacts, LayerError> {
    let docker = speak(socket).await?;
    let version = docker.version().await.map_err(refused)?;
    let info = docker.info().await.map_err(refused)?;
    Ok(DockerFacts::of(&version, &info, runtime))
}

/// Speaks to the daemon, and refuses one that cannot do all that a container of ours needs.
pub(super) async fn connect(socket: &Path, runtime: Option<&str>) -> Result<Daemon, LayerError> {
    let docker = speak(socket).await?;
    let version = docker.version().await.map_err(refused)?;
    let info = docker.info().await.map_err(refused)?;
    check_version(&version)?;
    check_abilities(&info)?;
    if let Some(runtime) = runtime {
        check_runtime(&info, runtime)?;
    }
    let (kernel, remaps_users) = (kernel(&info, runtime), remaps_users(&info));
    Ok(Daemon { docker, kernel, remaps_users })
}

/// Speaks to the daemon, whatever it is able to.
pub(super) async fn speak(socket: &Path) -> Result<Docker, LayerError> {
    knock(socket).await?;
    let path = socket.to_str().ok_or_else(|| {
        LayerError::new(Layer::Daemon, format!("the socket's name {} is not UTF-8", socket.display()))
    })?;
    let docker = Docker::connect_with_unix(path, ANSWER_SECONDS, API_DEFAULT_VERSION).map_err(refused)?;
    docker.negotiate_version().await.map_err(refused)
}

fn refused(error: Error) -> LayerError {
    LayerError::new(Layer::Daemon, explain(&error))
}

/// Says plainly why nobody answers at the door.
async fn knock(socket: &Path) -> Result<(), LayerError> {
    let Err(error) = tokio::net::UnixStream::connect(socket).await else { return Ok(()) };
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "start the Docker daemon, or name the socket it listens on",
        io::ErrorKind::PermissionDenied => {
            "run as root or as a member of the socket's group (who can speak to the daemon has root's \
             power over this machine)"
        }
        io::ErrorKind::ConnectionRefused => "start the Docker daemon: the socket is there, nobody listens",
        _ => "check that it is the Unix socket of a Docker daemon",
    };
    let reason = format!("cannot reach the Docker daemon at {}: {error}", socket.display());
    Err(LayerError::new(Layer::Daemon, reason).with_hint(hint))
}

fn check_version(version: &SystemVersion) -> Result<(), LayerError> {
    let interface = version.api_version.as_deref().unwrap_or_default();
    let known = interface
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    if known.is_some_and(|known| known >= OLDEST_INTERFACE) {
        return Ok(());
    }
    let release = version.version.as_deref().unwrap_or("of unknown version");
    let reason = format!("the daemon {release} speaks interface {interface:?}, older than 1.41");
    Err(LayerError::new(Layer::Daemon, reason).with_hint("use Docker 20.10 or newer"))
}

/// Without any of these a container would run with a wall missing: the daemon only warns.
fn check_abilities(info: &SystemInfo) -> Result<(), LayerError> {
    let missing = |layer, what: &str, hint: &str| {
        Err(LayerError::new(layer, format!("the Docker daemon cannot apply {what}")).with_hint(hint))
    };
    if info.os_type.as_deref() != Some("linux") {
        return missing(
            Layer::Daemon,
            "them: it does not run Linux containers",
            "use a Docker daemon on Linux",
        );
    }
    if !has_option(info, "seccomp") {
        let hint = "use a Docker built with seccomp, on a kernel with CONFIG_SECCOMP_FILTER";
        return missing(Layer::Seccomp, "a list of allowed system calls", hint);
    }
    let hint = "give it the memory, pids and cpu controllers of the kernel's control groups";
    for (able, what) in [
        (info.memory_limit, "a limit of memory"),
        (info.pids_limit, "a limit of threads"),
        (info.cpu_cfs_quota, "a limit of processor time"),
    ] {
        if able != Some(true) {
            return missing(Layer::CgroupLimits, what, hint);
        }
    }
    if info.swap_limit != Some(true) {
        let hint = "boot the kernel with swapaccount=1, or use control groups of version 2";
        return missing(Layer::CgroupLimits, "a limit of swap", hint);
    }
    Ok(())
}

fn check_runtime(info: &SystemInfo, runtime: &str) -> Result<(), LayerError> {
    let mut known: Vec<&str> = info.runtimes.iter().flatten().map(|(name, _)| name.as_str()).collect();
    if known.contains(&runtime) {
        return Ok(());
    }
    known.sort_unstable();
    let reason = format!("the Docker daemon has no runtime `{runtime}`");
    let hint = format!(
        "add it to \"runtimes\" in the daemon's configuration and restart it, or name one of: {}",
        known.join(", ")
    );
    Err(LayerError::new(Layer::Daemon, reason).with_hint(hint))
}

fn has_option(info: &SystemInfo, name: &str) -> bool {
    let options = info.security_options.as_deref().unwrap_or_default();
    let names = options.iter().flat_map(|option| option.split(','));
    names.filter_map(|word| word.strip_prefix("name=")).any(|known| known == name)
}

fn remaps_users(info: &SystemInfo) -> bool {
    has_option(info, "userns") || has_option(info, "rootless")
}

/// By the runtime's name and by the program's, which an operator may have given another name.
fn kernel(info: &SystemInfo, runtime: Option<&str>) -> Kernel {
    let Some(name) = runtime.or(info.default_runtime.as_deref()) else { return Kernel::Machine };
    let program = info.runtimes.as_ref().and_then(|known| known.get(name)?.path.as_deref());
    let program = program.and_then(|path| Path::new(path).file_name()?.to_str());
    let is_gvisor = |word: &str| word.starts_with("runsc") || word.starts_with("io.containerd.runsc");
    if is_gvisor(name) || program.is_some_and(is_gvisor) { Kernel::Gvisor } else { Kernel::Machine }
}

/// What the daemon said, without the client's ceremony.
pub(super) fn explain(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::RequestTimeoutError => format!("the Docker daemon did not answer within {ANSWER_SECONDS} s"),
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        }
    }
}

/// The wall a refused start is about, as far as the runtime's words tell.
pub(super) fn refusal(error: &Error) -> SpawnError {
    let said = explain(error);
    const WORDS: &[(&str, Layer)] = &[
        ("seccomp", Layer::Seccomp),
        ("cgroup", Layer::CgroupLimits),
        ("rlimit", Layer::ResourceLimits),
        ("ulimit", Layer::ResourceLimits),
        ("tmpfs", Layer::Tmp),
        ("mount", Layer::FileSystem),
        ("namespace", Layer::Namespaces),
        ("capabilit", Layer::Capabilities),
        ("exec", Layer::Program),
    ];
    let lower = said.to_lowercase();
    let layer =
        WORDS.iter().find(|(word, _)| lower.contains(word)).map_or(Layer::Daemon, |(_, layer)| *layer);
    LayerError::new(layer, said).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard::models::Runtime;

    use super::*;

    fn able() -> SystemInfo {
        SystemInfo {
            os_type: Some("linux".into()),
            security_options: Some(vec!["name=seccomp,profile=default".into()]),
            memory_limit: Some(true),
            swap_limit: Some(true),
            pids_limit: Some(true),
            cpu_cfs_quota: Some(true),
            runtimes: Some(HashMap::from([("runc".to_owned(), Runtime::default())])),
            ..SystemInfo::default()
        }
    }

    #[test]
    fn a_daemon_that_cannot_put_up_a_wall_is_refused_and_the_wall_named() {
        assert!(check_abilities(&able()).is_ok());
        let refused = |change: fn(&mut SystemInfo)| {
            let mut info = able();
            change(&mut info);
            let error = check_abilities(&info).unwrap_err();
            (error.layer, error.reason)
        };
        assert_eq!(refused(|info| info.security_options = None).0, Layer::Seccomp);
        assert_eq!(
            refused(|info| info.security_options = Some(vec!["name=seccomplike".into()])).0,
            Layer::Seccomp
        );
        for (change, word) in [
            ((|info| info.memory_limit = Some(false)) as fn(&mut SystemInfo), "memory"),
            (|info| info.swap_limit = None, "swap"),
            (|info| info.pids_limit = None, "threads"),
            (|info| info.cpu_cfs_quota = Some(false), "processor"),
        ] {
            let (layer, reason) = refused(change);
            assert!(layer == Layer::CgroupLimits && reason.contains(word), "{reason}");
        }
        assert_eq!(refused(|info| info.os_type = Some("windows".into())).0, Layer::Daemon);
    }

    #[test]
    fn an_unknown_runtime_is_refused_with_the_known_ones() {
        assert!(check_runtime(&able(), "runc").is_ok());
        let said = check_runtime(&able(), "runsc").unwrap_err().to_string();
        assert!(said.contains("no runtime `runsc`") && said.ends_with("one of: runc"), "{said}");
    }

    #[test]
    fn a_daemon_with_a_user_namespace_is_known() {
        assert!(!remaps_users(&able()));
        let mut info = able();
        info.security_options.as_mut().unwrap().push("name=userns".into());
        assert!(remaps_users(&info) && check_abilities(&info).is_ok());
    }

    #[test]
    fn gvisor_is_known_by_its_program() {
        let mut info = able();
        let gvisor = Runtime { path: Some("/opt/runsc".into()), ..Runtime::default() };
        info.runtimes.as_mut().unwrap().insert("strong".into(), gvisor);
        assert_eq!(kernel(&info, None), Kernel::Machine);
        assert_eq!(kernel(&info, Some("runc")), Kernel::Machine);
        assert_eq!(kernel(&info, Some("strong")), Kernel::Gvisor);
        assert_eq!(kernel(&info, Some("runsc-debug")), Kernel::Gvisor);
        info.default_runtime = Some("strong".into());
        assert_eq!(kernel(&info, None), Kernel::Gvisor);
    }

    #[test]
    fn an_old_daemon_is_refused() {
        let version = |interface: &str| SystemVersion {
            api_version: Some(interface.into()),
            version: Some("19.03".into()),
            ..SystemVersion::default()
        };
        assert!(check_version(&version("1.41")).is_ok());
        assert!(check_version(&version("1.53")).is_ok());
        assert!(check_version(&version("2.0")).is_ok());
        let said = check_version(&version("1.40")).unwrap_err().to_string();
        assert!(said.contains("19.03") && said.contains("20.10"), "{said}");
        assert!(check_version(&version("")).is_err());
    }
}
