//! What a container is made of: every wall as the daemon's interface words it.

use std::{collections::HashMap, path::Path};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountType, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};

use super::{Yard, daemon::Kernel, sweep};
use crate::{
    cgroup,
    error::SpawnError,
    limits::Limits,
    spec::{PACKAGES_MOUNT, PLUGIN_MOUNT, ProcessSpec},
    start,
};

/// The kernel counts processor time in pieces of this many microseconds.
const PROCESSOR_PERIOD: i64 = 100_000;
/// Plugins are the first to go when the machine itself runs out of memory (-1000 to 1000).
const OUT_OF_MEMORY_SCORE: i64 = 500;

/// Variables every container gets from the daemon unless it is told to leave them out.
const DAEMONS_VARIABLES: &[&str] = &["PATH", "HOSTNAME"];

/// Empty for the plugin: what it sees of the kernel and of the machine besides its own process, and
/// files the daemon writes about the network. Names that a kernel does not have are passed over.
#[rustfmt::skip]
const MASKED: &[&str] = &[
    "/dev/mqueue", "/dev/pts", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/proc/acpi", "/proc/asound",
    "/proc/buddyinfo", "/proc/bus", "/proc/cgroups", "/proc/cmdline", "/proc/config.gz",
    "/proc/consoles", "/proc/cpuinfo", "/proc/crypto", "/proc/devices", "/proc/diskstats",
    "/proc/dma", "/proc/driver", "/proc/dynamic_debug", "/proc/execdomains", "/proc/fb",
    "/proc/filesystems", "/proc/fs", "/proc/interrupts", "/proc/iomem", "/proc/ioports",
    "/proc/irq", "/proc/kallsyms", "/proc/kcore", "/proc/key-users", "/proc/keys", "/proc/kmsg",
    "/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats",
    "/proc/loadavg", "/proc/locks", "/proc/mdstat", "/proc/meminfo", "/proc/misc", "/proc/modules",
    "/proc/mtrr", "/proc/pagetypeinfo", "/proc/partitions", "/proc/pressure", "/proc/sched_debug",
    "/proc/schedstat", "/proc/scsi", "/proc/slabinfo", "/proc/softirqs", "/proc/stat",
    "/proc/swaps", "/proc/sys", "/proc/sysrq-trigger", "/proc/sysvipc", "/proc/timer_list",
    "/proc/timer_stats", "/proc/tty", "/proc/uptime", "/proc/version", "/proc/version_signature",
    "/proc/vmallocinfo", "/proc/vmstat", "/proc/zoneinfo", "/sys",
];

/// The whole request for one process.
pub(super) fn body(
    yard: &Yard,
    spec: &ProcessSpec,
    label: &str,
    user: u32,
) -> Result<ContainerCreateBody, SpawnError> {
    let arguments = spec
        .arguments
        .iter()
        .map(|word| {
            word.to_str().map(str::to_owned).ok_or_else(|| SpawnError::Invalid {
                label: label.to_owned(),
                reason: format!("argument {} is not UTF-8", word.display()),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut mounts = vec![folder(label, &spec.plugin_dir, PLUGIN_MOUNT)?];
    if let Some(packages) = &spec.packages_dir {
        mounts.push(folder(label, packages, PACKAGES_MOUNT)?);
    }
    Ok(ContainerCreateBody {
        image: Some(yard.image.clone()),
        entrypoint: Some(vec![yard.config.root.interpreter().display().to_string()]),
        cmd: Some(arguments),
        env: Some(environment(spec)),
        working_dir: Some(PLUGIN_MOUNT.to_owned()),
        user: Some(format!("{user}:{user}")),
        hostname: Some("plugin".to_owned()),
        labels: Some(sweep::labels(&yard.config.instance, label)),
        open_stdin: Some(true),
        // Its input ends when we hang up, however that happens: a polite plugin then ends by itself.
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        host_config: Some(walls(yard, &spec.limits, user, mounts)),
        ..ContainerCreateBody::default()
    })
}

fn walls(yard: &Yard, limits: &Limits, user: u32, mounts: Vec<Mount>) -> HostConfig {
    let memory = number(limits.memory_bytes);
    let share = (!limits_processor_later(yard.kernel)).then(|| processor_share(limits.cpu_percent));
    HostConfig {
        runtime: yard.config.runtime.clone(),
        // Namespaces. The process's own, or nobody's.
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("none".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        // Files.
        readonly_rootfs: Some(true),
        mounts: Some(mounts),
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), tmp(limits, user))])),
        masked_paths: Some(MASKED.iter().map(|path| (*path).to_owned()).collect()),
        // Control groups. Swap is counted together with memory: equal means none.
        cpu_shares: Some(number(cgroup::shares(limits.cpu_weight))),
        cpu_period: share.map(|(period, _)| period),
        cpu_quota: share.map(|(_, quota)| quota),
        memory: Some(memory),
        memory_swap: Some(memory),
        pids_limit: Some(number(limits.pids)),
        oom_score_adj: Some(OUT_OF_MEMORY_SCORE),
        ulimits: Some(resource_limits(limits)),
        // Privileges.
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned(), format!("seccomp={}", yard.profile)]),
        // Nothing of its own: what it says goes to us, and it is never started twice.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        init: Some(false),
        auto_remove: Some(false), // it says how it ended until we remove it
        ..HostConfig::default()
    }
}

/// Whether the processor's share is limited with the first sign of life, so that the start is quick.
/// gVisor's runtime cannot change the limits of a container that runs: there it is from the start on.
pub(super) fn limits_processor_later(kernel: Kernel) -> bool {
    kernel == Kernel::Machine
}

/// Accounting period and share in it, in microseconds.
pub(super) fn processor_share(percent: u32) -> (i64, i64) {
    (PROCESSOR_PERIOD, i64::from(percent) * PROCESSOR_PERIOD / 100)
}

fn environment(spec: &ProcessSpec) -> Vec<String> {
    let ours = spec.full_environment();
    // A name without a value takes the daemon's away.
    let unwanted = DAEMONS_VARIABLES.iter().filter(|name| !ours.iter().any(|(known, _)| known == *name));
    let unwanted = unwanted.map(|name| (*name).to_owned());
    unwanted.chain(ours.iter().map(|(name, value)| format!("{name}={value}"))).collect()
}

/// A folder of the host, read-only, without anything that is mounted below it there (which would
/// not be read-only). That nothing in it can be executed cannot be asked for.
fn folder(label: &str, path: &Path, target: &str) -> Result<Mount, SpawnError> {
    let path = start::folder(label, path)?;
    let source = path.to_str().map(str::to_owned).ok_or_else(|| SpawnError::Invalid {
        label: label.to_owned(),
        reason: format!("the folder's name {} is not UTF-8", path.display()),
    })?;
    Ok(Mount {
        target: Some(target.to_owned()),
        source: Some(source),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::PRIVATE),
            non_recursive: Some(true),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    })
}

fn tmp(limits: &Limits, user: u32) -> String {
    format!(
        "rw,noexec,nosuid,nodev,size={},nr_inodes={},mode=0700,uid={user},gid={user}",
        limits.tmp_bytes,
        limits.tmp_inodes.saturating_add(1), // the folder /tmp itself is one
    )
}

/// As the native sandbox sets them; hard and soft equal, so none can be raised.
fn resource_limits(limits: &Limits) -> Vec<ResourcesUlimits> {
    crate::limits::resource_limits(limits)
        .into_iter()
        .map(|limit| ResourcesUlimits {
            name: Some(limit.ulimit.to_owned()),
            soft: Some(number(limit.value)),
            hard: Some(number(limit.value)),
        })
        .collect()
}

/// Limits are checked to fit before they come here.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
