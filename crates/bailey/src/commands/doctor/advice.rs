//! What to change when a wall cannot be put up, as exactly as this machine lets us say it.

use std::path::Path;

use bailey_sandbox::Layer;

/// What the advice depends on.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Whether we are root.
    root: bool,
    /// Whether systemd runs this machine.
    systemd: bool,
    /// Whether we are in a container, as far as one can tell.
    container: bool,
    /// Major and minor version of the kernel.
    kernel: (u32, u32),
    /// Debian's switch for user namespaces of ordinary users.
    userns_clone: Option<String>,
    /// AppArmor's restriction of them (Ubuntu 23.10 and newer).
    apparmor_userns: Option<String>,
    /// How many there may be.
    max_user_namespaces: Option<String>,
    /// The kernel's security modules in use.
    security_modules: Option<String>,
    /// Whether the kernel's memory controller was switched off when it started.
    memory_off: bool,
    /// User ids that exist for us, as the kernel lists them.
    uid_map: Option<String>,
}

/// The oldest kernel with landlock.
const LANDLOCK_SINCE: (u32, u32) = (5, 13);

impl Facts {
    /// Looks around.
    pub(super) fn of_this_machine() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut numbers = release.split(['.', '-']).map_while(|word| word.parse().ok());
        let controllers = read("/proc/cgroups").unwrap_or_default();
        Self {
            root: rustix::process::geteuid().is_root(),
            systemd: Path::new("/run/systemd/system").exists(),
            container: Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists(),
            kernel: (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
            userns_clone: read("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_userns: read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            max_user_namespaces: read("/proc/sys/user/max_user_namespaces"),
            security_modules: read("/sys/kernel/security/lsm"),
            memory_off: controllers.lines().any(|line| line.starts_with("memory\t") && line.ends_with("\t0")),
            uid_map: read("/proc/self/uid_map"),
        }
    }
}

/// What to do about a control group that the operator named and that cannot be used.
pub(super) fn make_group(group: &Path) -> String {
    format!(
        "make the group {} below each mount of control groups, let Bailey's user write to it, and leave it empty; \
         or leave --control-group out",
        group.display()
    )
}

/// What to change so that a wall can be put up.
pub(super) fn advice(layer: Layer, facts: &Facts) -> String {
    match layer {
        Layer::UserNamespace => user_namespaces(facts),
        Layer::Namespaces if !facts.root => user_namespaces(facts),
        Layer::Namespaces | Layer::FileSystem | Layer::Proc | Layer::Capabilities if facts.container => {
            "start the container with --cap-add SYS_ADMIN --security-opt seccomp=unconfined \
             --security-opt apparmor=unconfined --security-opt systempaths=unconfined, or run Bailey outside of it"
                .to_owned()
        }
        Layer::CgroupLimits => control_groups(facts),
        Layer::Identity => user_ids(facts),
        Layer::Landlock => landlock(facts),
        other => other.hint().to_owned(),
    }
}

fn user_namespaces(facts: &Facts) -> String {
    let is = |value: &Option<String>, wanted: &str| value.as_deref() == Some(wanted);
    let mut steps = Vec::new();
    if is(&facts.userns_clone, "0") {
        steps.push("sysctl -w kernel.unprivileged_userns_clone=1");
    }
    if is(&facts.apparmor_userns, "1") {
        steps.push("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    }
    if is(&facts.max_user_namespaces, "0") {
        steps.push("sysctl -w user.max_user_namespaces=15000");
    }
    if steps.is_empty() {
        let container =
            "start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined";
        let otherwise = "allow user namespaces in the kernel (CONFIG_USER_NS)";
        return format!("{}, or run Bailey as root", if facts.container { container } else { otherwise });
    }
    format!("{} (and the same in /etc/sysctl.d/), or run Bailey as root", steps.join("; "))
}

fn control_groups(facts: &Facts) -> String {
    if facts.memory_off {
        return "start the kernel with cgroup_enable=memory (in GRUB_CMDLINE_LINUX of /etc/default/grub, then \
                update-grub and a restart)"
            .to_owned();
    }
    if facts.container {
        return "start the container with --cgroupns=private and /sys/fs/cgroup mounted for writing, or with --privileged"
            .to_owned();
    }
    match (facts.systemd, facts.root) {
        (true, false) => "start it with `systemd-run --user --scope -p Delegate=yes bailey ...`, or set Delegate=yes \
                          in the [Service] section of its unit"
            .to_owned(),
        (true, true) => "start it with `systemd-run --scope -p Delegate=yes bailey ...`, or set Delegate=yes in the \
                         [Service] section of its unit"
            .to_owned(),
        (false, true) => "mount control groups with the memory, pids and cpu controllers: \
                          `mount -t cgroup2 none /sys/fs/cgroup`"
            .to_owned(),
        (false, false) => "have root make a group for you: `mkdir /sys/fs/cgroup/bailey-host; \
                           echo '+memory +pids +cpu' > /sys/fs/cgroup/cgroup.subtree_control; \
                           chown -R YOU /sys/fs/cgroup/bailey-host`, and start Bailey in it; or run Bailey as root"
            .to_owned(),
    }
}

fn user_ids(facts: &Facts) -> String {
    let advice = "choose ids that exist here and nobody has with --sandbox-uids FIRST-LAST";
    match facts.uid_map.as_deref().map(|map| map.split_whitespace().collect::<Vec<_>>()) {
        // The usual map of a whole machine: all ids as they are.
        Some(words) if words != ["0", "0", "4294967295"] && !words.is_empty() => {
            format!(
                "{advice}: /proc/self/uid_map lists those that exist (first inside, first outside, how many): {}",
                words.join(" ")
            )
        }
        _ => format!("{advice}, and run Bailey with CAP_SETUID and CAP_SETGID"),
    }
}

fn landlock(facts: &Facts) -> String {
    if facts.kernel < LANDLOCK_SINCE {
        return format!(
            "use Linux {}.{} or newer: this is {}.{}",
            LANDLOCK_SINCE.0, LANDLOCK_SINCE.1, facts.kernel.0, facts.kernel.1
        );
    }
    match &facts.security_modules {
        Some(modules) if modules.split(',').any(|module| module == "landlock") => {
            "landlock is on, so something forbids its system calls: in a container, start it with \
             --security-opt seccomp=unconfined or a newer container engine"
                .to_owned()
        }
        Some(modules) => format!(
            "start the kernel with lsm=landlock,{modules} (in GRUB_CMDLINE_LINUX of /etc/default/grub, then \
             update-grub and a restart)"
        ),
        None => {
            "start the kernel with landlock among its security modules (kernel parameter lsm=landlock,...; \
                 /sys/kernel/security/lsm lists those in use)"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts { kernel: (6, 1), ..Facts::default() }
    }

    #[test]
    fn user_namespaces_name_the_switch_that_is_off() {
        let check = |change: fn(&mut Facts), wanted: &str| {
            let mut facts = facts();
            change(&mut facts);
            let advice = advice(Layer::UserNamespace, &facts);
            assert!(advice.contains(wanted), "{advice}");
        };
        check(|facts| facts.userns_clone = Some("0".into()), "sysctl -w kernel.unprivileged_userns_clone=1");
        check(
            |facts| facts.apparmor_userns = Some("1".into()),
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        );
        check(
            |facts| facts.max_user_namespaces = Some("0".into()),
            "sysctl -w user.max_user_namespaces=15000",
        );
        check(|facts| facts.container = true, "--security-opt seccomp=unconfined");
        check(|facts| facts.userns_clone = Some("1".into()), "CONFIG_USER_NS");
    }

    #[test]
    fn control_groups_name_the_way_this_machine_has() {
        let check = |systemd: bool, root: bool, wanted: &str| {
            let advice = advice(Layer::CgroupLimits, &Facts { systemd, root, ..facts() });
            assert!(advice.contains(wanted), "{advice}");
        };
        check(true, false, "systemd-run --user --scope -p Delegate=yes bailey");
        check(true, true, "systemd-run --scope -p Delegate=yes bailey");
        check(false, true, "mount -t cgroup2");
        check(false, false, "chown -R");
        let advice = advice(Layer::CgroupLimits, &Facts { memory_off: true, systemd: true, ..facts() });
        assert!(advice.contains("cgroup_enable=memory"), "{advice}");
    }

    #[test]
    fn landlock_names_the_parameter_or_the_version() {
        let check = |kernel, modules: Option<&str>, wanted: &str| {
            let facts = Facts { kernel, security_modules: modules.map(str::to_owned), ..facts() };
            let advice = advice(Layer::Landlock, &facts);
            assert!(advice.contains(wanted), "{advice}");
        };
        check((5, 10), None, "Linux 5.13 or newer: this is 5.10");
        check((6, 1), Some("lockdown,apparmor"), "lsm=landlock,lockdown,apparmor");
        check((6, 1), Some("landlock,apparmor"), "seccomp=unconfined");
        check((6, 1), None, "/sys/kernel/security/lsm");
    }

    #[test]
    fn user_ids_name_those_that_exist() {
        let uid_map = Some("         0     100000      65536".to_owned());
        let advice = advice(Layer::Identity, &Facts { uid_map, root: true, ..facts() });
        assert!(advice.contains("--sandbox-uids") && advice.contains("0 100000 65536"), "{advice}");
    }
}
