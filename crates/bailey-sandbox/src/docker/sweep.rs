//! Removes containers whose host is gone: a killed host cannot, and the daemon keeps them running.

use std::{collections::HashMap, fs};

use bollard::{Docker, models::ContainerSummaryStateEnum, query_parameters::ListContainersOptionsBuilder};

use super::{container, daemon::explain};
use crate::cgroup::{is_stale, owner_mark};

/// Which hosts clean up after each other.
const INSTANCE: &str = "bailey.instance";
/// The start of the machine that the host ran in.
const BOOT: &str = "bailey.boot";
/// Where the host's process number counts: its pid namespace.
const PID_SPACE: &str = "bailey.pid-space";
/// The host's process: number and start time.
const HOST: &str = "bailey.host";
/// For people.
const LABEL: &str = "bailey.process";

/// What is written on a container of this host.
pub(super) fn labels(instance: &str, label: &str) -> HashMap<String, String> {
    [
        (INSTANCE, instance.to_owned()),
        (BOOT, boot()),
        (PID_SPACE, pid_space()),
        (HOST, owner_mark()),
        (LABEL, label.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// How the names of this host's containers begin, and no other host's: not of one whose process has our
/// number in another pid namespace, nor of one before the machine was started again. A start that fails
/// removes its container by name.
pub(super) fn name() -> String {
    let boot: String = boot().chars().filter(char::is_ascii_hexdigit).take(8).collect();
    let space: String = pid_space().chars().filter(char::is_ascii_digit).collect();
    format!("bailey-{boot}-{space}-{}", owner_mark())
}

/// Kills and removes what hosts of this instance left behind that no longer run. How many went.
pub(super) async fn sweep(docker: &Docker, instance: &str) -> usize {
    let filters = HashMap::from([("label", vec![format!("{INSTANCE}={instance}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = match docker.list_containers(Some(options)).await {
        Ok(containers) => containers,
        Err(error) => {
            tracing::warn!(error = explain(&error), "cannot look for what dead hosts left behind");
            return 0;
        }
    };
    let mut removed = 0;
    for found in containers {
        use ContainerSummaryStateEnum::{CREATED, DEAD, EXITED};
        let runs = !found.state.is_some_and(|state| matches!(state, CREATED | DEAD | EXITED));
        if let (Some(id), Some(labels)) = (found.id, found.labels)
            && is_left_over(&labels, runs, &boot(), &pid_space())
        {
            removed += usize::from(container::remove(docker, &id).await);
        }
    }
    removed
}

/// Whether a container's host is certainly gone. A host whose process numbers we cannot see (one in
/// another container with the same daemon) is taken to live, and so is one of a container that runs and
/// was made by another start of a machine: no container survives that, so the daemon is on another one.
fn is_left_over(labels: &HashMap<String, String>, runs: bool, boot: &str, pid_space: &str) -> bool {
    let (Some(its_boot), Some(its_space), Some(host)) =
        (labels.get(BOOT), labels.get(PID_SPACE), labels.get(HOST))
    else {
        return false;
    };
    if its_boot != boot {
        return !runs && !its_boot.is_empty() && !boot.is_empty();
    }
    its_space == pid_space && is_stale(host)
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn pid_space() -> String {
    fs::read_link("/proc/self/ns/pid").unwrap_or_default().display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_two_hosts_differ_even_with_one_process_number() {
        let space: String = pid_space().chars().filter(char::is_ascii_digit).collect();
        assert!(name().contains(&boot()[..8]) && name().contains(&format!("-{space}-")), "{}", name());
        assert!(name().ends_with(&owner_mark()), "{}", name());
    }

    #[test]
    fn only_containers_of_dead_hosts_are_left_over() {
        let (boot, space) = (boot(), pid_space());
        assert!(!boot.is_empty() && space.starts_with("pid:"));
        let check_one = |name: &str, value: &str, runs| {
            let mut labels = labels("bailey", "x");
            labels.insert(name.to_owned(), value.to_owned());
            is_left_over(&labels, runs, &boot, &space)
        };
        let check = |name: &str, value: &str| {
            let (runs, ended) = (check_one(name, value, true), check_one(name, value, false));
            assert!(name == BOOT || runs == ended);
            ended
        };
        assert!(!check(LABEL, "y"), "our own");
        assert!(check(HOST, "4294967294-5"), "nobody has this number");
        assert!(check(HOST, &format!("{}-1", std::process::id())), "another process with our number");
        assert!(check(BOOT, "before"), "the machine was started again");
        assert!(!check_one(BOOT, "before", true), "so it runs on another machine");
        assert!(!check(BOOT, ""), "not known");
        assert!(!check(HOST, "someone"), "not a host's mark");
        let mut elsewhere = labels("bailey", "x");
        elsewhere.insert(PID_SPACE.to_owned(), "pid:[1]".to_owned());
        elsewhere.insert(HOST.to_owned(), "4294967294-5".to_owned());
        assert!(!is_left_over(&elsewhere, true, &boot, &space), "in a pid namespace we cannot look into");
        assert!(!is_left_over(&HashMap::new(), true, &boot, &space), "not ours");
    }
}
