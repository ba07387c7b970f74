//! The look from inside a first container: what the daemon and its runtime really did.

use std::ops::Range;

use super::{DockerSandbox, daemon::Kernel};
use crate::{
    Limits, PythonRoot, Sandbox,
    error::{Layer, LayerError},
    limits::resource_limits,
    probe::{PROOFS, ask, check},
};

/// Prints the kernel's account of the process, its mounts, limits, network and environment, and what it
/// answers to `clone3` (435 in every table of calls).
const PROGRAM: &str = "
import ctypes, errno, os
for name in ('status', 'mountinfo', 'limits', 'net/dev'):
    print('==', name)
    try:
        print(open('/proc/self/' + name).read())
    except FileNotFoundError:
        pass
print('== environment')
print(*os.environ, sep='\\n')
print('== clone3')
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(435, 0, 0), errno.errorcode.get(ctypes.get_errno()))
";

/// Runs it and checks every proof.
pub(super) async fn run(
    sandbox: &DockerSandbox,
    root: &PythonRoot,
    kernel: Kernel,
    users: &Range<u32>,
) -> Result<(), LayerError> {
    let account = ask(&Sandbox::Docker(sandbox.clone()), root.path(), PROGRAM).await?;
    let part = |name: &str| -> &str {
        let rest = account.split_once(&format!("== {name}\n")).map_or("", |(_, rest)| rest);
        rest.split("\n== ").next().unwrap_or_default()
    };
    check_status(part("status"), kernel)?;
    check_user(part("status"), users)?;
    check_mounts(part("mountinfo"), &Limits::default(), kernel)?;
    if kernel == Kernel::Machine {
        check_limits(part("limits"), &Limits::default())?;
    }
    check_network(part("net/dev"))?;
    check_environment(part("environment"))?;
    check_clone3(part("clone3"))
}

/// Lines that gVisor does not have.
const NOT_TOLD: &[&str] = &["NoNewPrivs:", "CapAmb:"];

/// As in the native sandbox. Some runtimes list a process's own group among its further groups.
fn check_status(status: &str, kernel: Kernel) -> Result<(), LayerError> {
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let own_group = line("Gid:").and_then(|ids| ids.split_whitespace().next());
    let groups = line("Groups:").filter(|groups| Some(*groups) != own_group).unwrap_or_default();
    let others = status.lines().filter(|line| !line.starts_with("Groups:")).collect::<Vec<_>>().join("\n");
    let told = |name: &str| kernel == Kernel::Machine || line(name).is_some() || !NOT_TOLD.contains(&name);
    let proofs: Vec<_> = PROOFS.iter().copied().filter(|(_, name, _)| told(name)).collect();
    check(&format!("{others}\nGroups: {groups}\n"), &proofs).map_err(|error| match (kernel, error.layer) {
        (Kernel::Gvisor, Layer::Seccomp) => {
            error.with_hint("add --oci-seccomp to the runtimeArgs of gVisor in the daemon's configuration")
        }
        _ => error,
    })
}

/// Real, effective, saved and file system ids of user and group are one of ours.
fn check_user(status: &str, users: &Range<u32>) -> Result<(), LayerError> {
    for name in ["Uid:", "Gid:"] {
        let ids = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let is_ours = |id: &str| id.parse().is_ok_and(|id| users.contains(&id));
        if ids.trim().is_empty() || !ids.split_whitespace().all(is_ours) {
            let reason =
                format!("inside, {name} is {} instead of {}-{}", ids.trim(), users.start, users.end - 1);
            return Err(LayerError::new(Layer::Identity, reason));
        }
    }
    Ok(())
}

fn check_mounts(table: &str, limits: &Limits, kernel: Kernel) -> Result<(), LayerError> {
    let size = format!("size={}k", limits.tmp_bytes / 1024);
    let inodes = format!("nr_inodes={}", limits.tmp_inodes + 1);
    let bytes = format!("size={}", limits.tmp_bytes);
    let tmp: &[&str] = match kernel {
        Kernel::Machine => &["nosuid", "nodev", "noexec", &size, &inodes],
        Kernel::Gvisor => &["noexec", &bytes],
    };
    let wanted: [(Layer, &str, &[&str]); 3] = [
        (Layer::FileSystem, "/", &["ro"]),
        (Layer::FileSystem, "/plugin", &["ro"]),
        (Layer::Tmp, "/tmp", tmp),
    ];
    for (layer, place, options) in wanted {
        let fields = || table.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = fields().rfind(|fields| fields.get(4) == Some(&place)); // the last one lies on top
        let has: Vec<&str> = mount
            .iter()
            .flat_map(|fields| [fields.get(5), fields.last()])
            .flatten()
            .flat_map(|options| options.split(','))
            .collect();
        if let Some(missing) = options.iter().find(|option| !has.contains(option)) {
            let reason = format!("inside, {place} is mounted without {missing} ({})", has.join(","));
            return Err(LayerError::new(layer, reason));
        }
    }
    Ok(())
}

fn check_limits(table: &str, limits: &Limits) -> Result<(), LayerError> {
    for limit in resource_limits(limits) {
        let found: Option<Vec<&str>> = table
            .lines()
            .find_map(|line| line.strip_prefix("Max ")?.strip_prefix(limit.kernel_name))
            .map(|rest| rest.split_whitespace().take(2).collect());
        let value = limit.value.to_string();
        if found.as_deref() != Some(&[value.as_str(), value.as_str()]) {
            let reason = format!("inside, the limit of {} is {found:?} instead of {value}", limit.name);
            return Err(LayerError::new(Layer::ResourceLimits, reason));
        }
    }
    Ok(())
}

/// Its flags lie in memory, where no filter sees them, so it must look as if it were not there. libc then
/// starts threads by the older call, and only then.
fn check_clone3(answer: &str) -> Result<(), LayerError> {
    if answer.trim() == "-1 ENOSYS" {
        return Ok(());
    }
    let reason = format!("inside, the system call `clone3` answers {:?} instead of ENOSYS", answer.trim());
    Err(LayerError::new(Layer::Seccomp, reason)
        .with_hint("use a runtime that answers as the list of system calls says, such as runc"))
}

fn check_network(table: &str) -> Result<(), LayerError> {
    let foreign = table
        .lines()
        .skip(2) // the head of the table
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim())
        .find(|name| *name != "lo");
    match foreign {
        Some(name) => Err(LayerError::new(Layer::Namespaces, format!("inside, there is a network, {name}"))),
        None => Ok(()),
    }
}

fn check_environment(names: &str) -> Result<(), LayerError> {
    let ours: Vec<&str> = crate::spec::ENVIRONMENT.iter().map(|(name, _)| *name).collect();
    match names.lines().filter(|name| !name.is_empty()).find(|name| !ours.contains(name)) {
        Some(name) => {
            let reason = format!("inside, there is a variable {name} that nobody asked for");
            Err(LayerError::new(Layer::Program, reason))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clone3_must_look_as_if_it_were_not_there() {
        assert!(check_clone3("-1 ENOSYS\n").is_ok());
        for answer in ["-1 EPERM\n", "-1 EINVAL\n", "7 None\n", ""] {
            assert_eq!(check_clone3(answer).unwrap_err().layer, Layer::Seccomp, "{answer}");
        }
    }

    #[test]
    fn the_user_is_one_of_ours_in_every_place() {
        let status = |uid: &str, gid: &str| format!("Name:\tpython\nUid:\t{uid}\nGid:\t{gid}\n");
        let check = |status: &str| check_user(status, &(1000..1010));
        let ours = "1003\t1003\t1003\t1003";
        assert!(check(&status(ours, ours)).is_ok());
        for theirs in ["0\t0\t0\t0", "1003\t1003\t0\t1003", "1010\t1010\t1010\t1010", ""] {
            assert_eq!(check(&status(theirs, ours)).unwrap_err().layer, Layer::Identity, "{theirs}");
            assert_eq!(check(&status(ours, theirs)).unwrap_err().layer, Layer::Identity, "{theirs}");
        }
        assert!(check("").is_err());
    }
}
