//! The catalogue: every attack, the sentence it disproves, and who can tell whether it worked.

use std::fmt;

use serde::Serialize;

use super::verdict::Verdict;

/// One thing a plugin could try.
#[derive(Debug, Clone)]
pub struct Attack {
    /// Its name, also of its file.
    pub name: &'static str,
    /// The sentence it disproves: `a plugin can ...`.
    pub claim: &'static str,
    /// What it aims at.
    pub group: Group,
    /// Whether it belongs to the short form, which takes a few seconds in all.
    pub quick: bool,
    /// Who can tell whether it worked.
    pub judge: Judge,
    /// Whether it works without a sandbox. If not, it cannot show that the sandbox is what holds it.
    pub bare: Bare,
    /// Where a container is known to differ from the native sandbox.
    pub container: Option<Difference>,
    /// Whether the host leaks descriptors while the program is started.
    pub(super) leak: bool,
    pub(super) program: &'static str,
}

impl Attack {
    /// The program, as the `__main__.py` of a plugin. It needs `doors.py` beside it.
    pub fn program(&self) -> &'static str {
        self.program
    }

    const fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    const fn leak(mut self) -> Self {
        self.leak = true;
        self
    }

    const fn container(mut self, verdict: &'static str, reason: &'static str) -> Self {
        self.container = Some(Difference { verdict, reason });
        self
    }

    const fn unprovable(mut self, reason: &'static str) -> Self {
        self.bare = Bare::Unprovable(reason);
        self
    }
}

/// Where a container is known to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The verdict there, in its words; any other is no known one.
    verdict: &'static str,
    /// How it differs, and why that is no way out.
    pub reason: &'static str,
}

impl Difference {
    /// Whether this verdict is that difference, and nothing besides.
    pub fn explains(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Held => false,
            Verdict::Open(what) => what == self.verdict,
            // Followed by all that was said until then.
            Verdict::Broken(why) => why.starts_with(self.verdict),
        }
    }
}

/// What an attack aims at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Servers and sockets.
    Network,
    /// The file system: reading, writing, devices.
    Files,
    /// Running code that is not the plugin's Python.
    Code,
    /// Other processes, and starting some.
    Processes,
    /// Users, capabilities, priority.
    Privileges,
    /// Namespaces and mounts.
    Namespaces,
    /// Parts of the kernel a plugin has no use for.
    Kernel,
    /// Memory, threads, files, processor time.
    Resources,
}

impl Group {
    /// The name on command lines and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Files => "files",
            Self::Code => "code",
            Self::Processes => "processes",
            Self::Privileges => "privileges",
            Self::Namespaces => "namespaces",
            Self::Kernel => "kernel",
            Self::Resources => "resources",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Who can tell whether an attack worked. Whoever it is: what reaches the canary is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// The kernel's answers, which only the program hears. It says `HELD` or `OPEN what`.
    Answer,
    /// The host alone, by its canary, the plugin's folder, and its count of processes and threads.
    Host,
    /// The host: the process must have been ended for reaching its memory limit.
    Memory,
    /// The host: the process's processor time must stay below its share of the time that passed.
    Processor,
    /// The host: it ends the process, and nothing that the process started may be left.
    Killed,
}

/// What happens without a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bare {
    /// The attack works.
    Open,
    /// It does not on a usual machine; why it is tried all the same.
    Unprovable(&'static str),
}

macro_rules! attack {
    ($name:ident, $group:ident, $judge:ident, $claim:literal) => {
        Attack {
            name: stringify!($name),
            claim: $claim,
            group: Group::$group,
            quick: false,
            judge: Judge::$judge,
            bare: Bare::Open,
            container: None,
            leak: false,
            program: include_str!(concat!("attacks/", stringify!($name), ".py")),
        }
    };
}

/// Every attack, by group.
#[rustfmt::skip] // one line per attack
pub const ATTACKS: &[Attack] = &[
    attack!(tcp_connect, Network, Host, "a plugin can reach a server on the host's loopback").quick(),
    attack!(udp_send, Network, Host, "a plugin can send a datagram to the host"),
    attack!(internet_sockets, Network, Answer, "a plugin can make an internet socket").quick(),
    attack!(kernel_sockets, Network, Answer, "a plugin can make a socket that talks with the kernel: netlink, packets, cryptography, machines"),
    attack!(docker_socket, Network, Host, "a plugin can reach a Unix socket of the host by its path, as that of a container daemon").quick(),
    attack!(unix_datagram, Network, Host, "a plugin can send a datagram to a Unix socket of the host, from a pair it may have or a new one"),
    attack!(abstract_socket, Network, Host, "a plugin can reach an abstract Unix socket of the host, which no mount hides").quick(),
    attack!(pass_descriptor, Network, Answer, "a plugin can pass or receive descriptors over its socket pair"),
    attack!(listen, Network, Answer, "a plugin can listen for connections"),
    attack!(host_file, Files, Host, "a plugin can read a file of the host by its path").quick(),
    attack!(host_root, Files, Host, "a plugin can reach the host's files through the root or working folder of a process").quick(),
    attack!(shadow, Files, Answer, "a plugin can read the passwords of the host or what only its administrator may see"),
    attack!(locale_files, Files, Answer, "a plugin can learn from files of the host where it stands, what it is called and what runs on it"),
    attack!(write_host, Files, Host, "a plugin can change a file of the host that anybody may change").quick(),
    attack!(write_plugin, Files, Host, "a plugin can change its own program, or leave something beside it for later").quick(),
    attack!(write_system, Files, Answer, "a plugin can change Python, its packages, or anything else outside /tmp"),
    attack!(package_race, Files, Host, "a plugin can swap a file of its package for a link to a file of the host while it is being read"),
    attack!(tmp_links, Files, Host, "a plugin can reach a file of the host by racing links and folders in its /tmp"),
    attack!(kernel_settings, Files, Answer, "a plugin can change settings of the kernel or of its control group"),
    attack!(own_score, Files, Answer, "a plugin can choose who is killed when memory runs out, or change other accounts the kernel keeps of it").quick().container("it says timer", "it can set its own timer slack through /proc, which runtimes leave writable; nobody else's"),
    attack!(chroot, Files, Answer, "a plugin can change its root, and leave the new one for the host's"),
    attack!(mknod, Files, Answer, "a plugin can make a device file"),
    attack!(devices, Files, Answer, "a plugin can use a device other than null and urandom, or write to urandom").container("it says stir", "it may write to /dev/urandom, which changes nothing, and open zero, full, random and tty"),
    attack!(terminal, Files, Answer, "a plugin can type into a terminal of the host"),
    attack!(core_dump, Files, Answer, "a plugin can have its memory written to the host's disk by crashing"),
    attack!(file_handles, Files, Answer, "a plugin can open files by their numbers, past every path"),
    attack!(exec_from_tmp, Code, Answer, "a plugin can execute a program it wrote to /tmp").quick(),
    attack!(map_from_tmp, Code, Answer, "a plugin can map a file it wrote to /tmp as code, or load a library from there"),
    attack!(exec_again, Code, Answer, "a plugin can execute the interpreter, or anything of the root, a second time").quick().container("it says again", "the runtime installs the filter before it executes Python, so executing stays allowed; the program that takes its place has the same walls, and there is none but Python and what the plugin brings"),
    attack!(memfd_exec, Code, Answer, "a plugin can execute code from memory"),
    attack!(fork, Processes, Host, "a plugin can start a second process").quick(),
    attack!(fork_bomb, Processes, Host, "a plugin can fill the host with processes that start processes"),
    attack!(subprocess, Processes, Answer, "a plugin can run a program: the interpreter, a shell, whatever a library starts for it"),
    attack!(clone3, Processes, Answer, "a plugin can start a process through clone3, whose flags a filter cannot see"),
    attack!(foreign_pids, Processes, Answer, "a plugin can see another process of the host").quick(),
    attack!(kill_host, Processes, Host, "a plugin can end a process of the host").quick(),
    attack!(stop_host, Processes, Host, "a plugin can stop a process of the host, so that it never answers again"),
    attack!(slow_host, Processes, Host, "a plugin can change the priority or the limits of a process of the host"),
    attack!(parent_environment, Processes, Host, "a plugin can read the environment of a process of the host, where passwords are kept").quick(),
    attack!(process_memory, Processes, Host, "a plugin can read the memory of a process of the host"),
    attack!(read_vectors, Processes, Answer, "a plugin can copy the memory of another process through the kernel"),
    attack!(own_memory, Processes, Answer, "a plugin can write to memory that is marked as read-only, or to a program's file through its memory"),
    attack!(ptrace, Processes, Answer, "a plugin can trace a process: the host's, or its own threads").quick(),
    attack!(take_descriptor, Processes, Answer, "a plugin can take a descriptor out of another process, or compare kernel objects with it"),
    attack!(ignores_the_end, Processes, Killed, "a plugin can live on after the host has ended it, by ignoring signals or hiding from the kill"),
    attack!(leaked_descriptors, Processes, Host, "a plugin can inherit a file that the host has open").leak(),
    attack!(inherited_watches, Processes, Answer, "a plugin can inherit the host's event queues: what it waits for, and what it is told").leak(),
    attack!(become_root, Privileges, Answer, "a plugin can become root or join groups").quick(),
    attack!(capabilities, Privileges, Answer, "a plugin can get a capability").quick(),
    attack!(raise_limits, Privileges, Answer, "a plugin can raise its own limits"),
    attack!(process_controls, Privileges, Answer, "a plugin can switch off what protects the host from it: its death with the host, its opacity, its filters"),
    attack!(real_time, Privileges, Answer, "a plugin can take precedence over the host: real-time scheduling, priority, input and output class"),
    attack!(lock_memory, Privileges, Answer, "a plugin can lock memory, place it, or move it"),
    attack!(shared_namespaces, Namespaces, Answer, "a plugin can share a namespace with the host, whatever else keeps it from using that").quick(),
    attack!(clone_namespaces, Namespaces, Answer, "a plugin can start a process or a thread in namespaces of its own, where it is root"),
    attack!(unshare, Namespaces, Answer, "a plugin can leave its namespaces for new ones").quick(),
    attack!(setns, Namespaces, Answer, "a plugin can enter the namespaces of another process"),
    attack!(mount, Namespaces, Answer, "a plugin can mount, by the old calls or the new ones").quick(),
    attack!(keyrings, Kernel, Answer, "a plugin can use the kernel's keyrings, which no namespace separates"),
    attack!(bpf, Kernel, Answer, "a plugin can load programs into the kernel").quick(),
    attack!(perf, Kernel, Answer, "a plugin can watch the processor and the kernel through performance events"),
    attack!(userfaultfd, Kernel, Answer, "a plugin can hold the kernel in the middle of a copy by answering page faults"),
    attack!(io_uring, Kernel, Answer, "a plugin can have system calls made past the filter by a queue in memory").quick(),
    attack!(kernel_modules, Kernel, Answer, "a plugin can load code into the kernel, replace it, or restart the machine").quick(),
    attack!(clocks_and_names, Kernel, Answer, "a plugin can set the clock or the names of the machine, or write its own accounts"),
    attack!(shared_memory, Kernel, Answer, "a plugin can make shared memory, semaphores or message queues that outlive it"),
    attack!(watches, Kernel, Answer, "a plugin can watch files, catch signals or set timers through calls it has no use for"),
    attack!(foreign_table, Kernel, Answer, "a plugin can use the system calls of another table, whose numbers the filter does not know").unprovable("most kernels are built without the x32 table, so these numbers answer nowhere").container("it killed (signal 31", "it is killed for the attempt"),
    attack!(memory_ramp, Resources, Memory, "a plugin can use more than 128 MiB of memory").quick(),
    attack!(memory_in_tmp, Resources, Memory, "a plugin can keep memory beyond its limit in files of /tmp"),
    attack!(thread_bomb, Resources, Host, "a plugin can start more than 64 threads").quick(),
    attack!(descriptors, Resources, Answer, "a plugin can open more than 256 files"),
    attack!(tmp_bytes, Resources, Answer, "a plugin can write more than 16 MiB to /tmp").quick(),
    attack!(tmp_inodes, Resources, Answer, "a plugin can make more than 1024 files in /tmp"),
    attack!(file_size, Resources, Answer, "a plugin can make a file larger than 32 MiB, if only a hollow one"),
    attack!(cpu_burn, Resources, Processor, "a plugin can take all processors for itself"),
];

/// An attack on another part of the host, with its test where the code is.
#[derive(Debug, Clone, Copy)]
pub struct Elsewhere {
    /// The sentence it disproves.
    pub claim: &'static str,
    /// The file of its test, below `crates/`.
    pub file: &'static str,
    /// The test.
    pub test: &'static str,
}

/// Attacks that do not aim at the sandbox but at those who read what a plugin says, or unpack what
/// its author uploads.
#[rustfmt::skip] // one line per attack
pub const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere { claim: "a plugin can fill the host's memory with one line that does not end", file: "bailey-host/tests/it/hostile.rs", test: "a_line_longer_than_a_line_may_be_is_answered_and_skipped" },
    Elsewhere { claim: "a plugin can fill the log with what it prints", file: "bailey-host/tests/it/hostile.rs", test: "a_flood_is_counted_not_kept_and_calls_still_get_through" },
    Elsewhere { claim: "a plugin can keep the host busy with reading", file: "bailey-host/tests/it/hostile.rs", test: "output_is_read_no_faster_than_its_rate" },
    Elsewhere { claim: "a plugin can pass off what it prints as an answer or a call", file: "bailey-host/tests/it/hostile.rs", test: "prints_become_log_lines_and_hurt_nothing" },
    Elsewhere { claim: "a plugin can acknowledge what it was not given", file: "bailey-host/tests/it/hostile.rs", test: "acknowledging_what_was_not_given_changes_nothing" },
    Elsewhere { claim: "a plugin can steer its administrator's terminal by control characters in its log", file: "bailey/src/commands/logs.rs", test: "neither_words_nor_json_do_anything_to_a_terminal" },
    Elsewhere { claim: "a plugin can live on after its host has died", file: "bailey-sandbox/tests/it/host_death.rs", test: "killing_the_host_kills_the_plugin" },
    Elsewhere { claim: "an uploaded zip can put files outside its folder", file: "bailey-package/tests/it/zips.rs", test: "names_that_leave_the_package_are_refused" },
    Elsewhere { claim: "an uploaded zip can bring links or devices", file: "bailey-package/tests/it/zips.rs", test: "links_and_devices_are_refused" },
    Elsewhere { claim: "an uploaded zip can unpack to more than it says", file: "bailey-package/tests/it/zips.rs", test: "a_header_that_lies_about_the_size_gains_nothing" },
    Elsewhere { claim: "a package can put files outside its folder when its wheel is unpacked", file: "bailey-builder/src/wheel/rules.rs", test: "paths_stay_inside" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_begins_with_its_claim() {
        for attack in ATTACKS {
            let said = attack.program.trim_start_matches("\"\"\"").split('"').next().unwrap_or_default();
            assert_eq!(
                said.trim_end_matches('.').to_lowercase(),
                attack.claim.to_lowercase(),
                "{}",
                attack.name
            );
            assert!(attack.claim.starts_with("a plugin can "));
        }
    }

    #[test]
    fn every_file_is_in_the_catalogue_once() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/escape/attacks");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".py")?.to_owned()))
            .collect();
        files.sort();
        let mut names: Vec<_> = ATTACKS.iter().map(|attack| attack.name).collect();
        names.sort_unstable();
        assert_eq!(files, names);
        assert!(names.len() >= 50);
    }

    #[test]
    fn a_known_difference_explains_itself_alone() {
        let known =
            |name: &str| ATTACKS.iter().find(|attack| attack.name == name).unwrap().container.unwrap();
        let open = |what: &str| Verdict::Open(what.to_owned());
        assert!(known("own_score").explains(&open("it says timer")));
        assert!(!known("own_score").explains(&open("it says score timer")));
        assert!(!known("own_score").explains(&open("the host saw a connection")));
        assert!(!known("own_score").explains(&Verdict::Held));
        assert!(!known("exec_again").explains(&Verdict::Broken("the sandbox did not start".to_owned())));
        let killed = format!("it {}, said \"\"", crate::Exit::Signal(31));
        assert!(known("foreign_table").explains(&Verdict::Broken(killed)));
    }

    #[test]
    fn tests_elsewhere_are_there() {
        for elsewhere in ELSEWHERE {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(elsewhere.file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(&format!("fn {}(", elsewhere.test)), "{elsewhere:?}");
        }
    }
}
