//! Things outside the sandbox that an attack aims at, and that notice when it arrives.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{TcpListener, UdpSocket},
    os::{
        fd::{FromRawFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::{
            fs::{MetadataExt, PermissionsExt},
            net::{SocketAddr, UnixDatagram, UnixListener},
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use crate::spawner;

/// How long its process may take to answer before it counts as stopped.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A server on loopback, named and abstract Unix sockets, a folder with a secret file, and a process
/// with a secret in its environment. Make one for every attempt that runs at the same time: what
/// arrives is blamed on the attempt that looks next.
#[derive(Debug)]
pub struct Canary {
    folder: TempDir,
    tcp: TcpListener,
    udp: UdpSocket,
    unix: UnixListener,
    datagram: UnixDatagram,
    nameless: UnixListener,
    process: Child,
    secret: String,
    mark: String,
    files: BTreeMap<PathBuf, FileState>,
    process_state: ProcessState,
}

impl Canary {
    /// Sets everything up, below the folder for temporary files.
    pub fn new() -> io::Result<Self> {
        let (secret, mark) = (format!("secret-{}", random()?), format!("mark-{}", random()?));
        let folder = readable_folder()?;
        let place = |name: &str| folder.path().join(name);
        write_for_all(&place("secret"), &secret)?;
        std::fs::create_dir(place("open"))?;
        std::fs::set_permissions(place("open"), std::fs::Permissions::from_mode(0o777))?;
        write_for_all(&place("open/file"), "untouched")?;
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        let (unix, datagram) =
            (UnixListener::bind(place("docker.sock"))?, UnixDatagram::bind(place("datagram"))?);
        let nameless = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&mark)?)?;
        for name in ["docker.sock", "datagram"] {
            std::fs::set_permissions(place(name), std::fs::Permissions::from_mode(0o777))?;
        }
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        unix.set_nonblocking(true)?;
        datagram.set_nonblocking(true)?;
        nameless.set_nonblocking(true)?;
        let process = start_process(&secret)?;
        let process_state = ProcessState::of(process.id())?;
        let files = survey(folder.path())?;
        Ok(Self { folder, tcp, udp, unix, datagram, nameless, process, secret, mark, files, process_state })
    }

    /// Where everything is, for the attacking program. The secrets themselves are not in it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let port = |address: io::Result<std::net::SocketAddr>| {
            address.map_or_else(|_| "0".to_owned(), |address| address.port().to_string())
        };
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        [
            ("CANARY_PORT", port(self.tcp.local_addr())),
            ("CANARY_UDP_PORT", port(self.udp.local_addr())),
            ("CANARY_SOCKET", path("docker.sock")),
            ("CANARY_DATAGRAM", path("datagram")),
            ("CANARY_FOLDER", path("open")),
            ("CANARY_FILE", path("secret")),
            ("CANARY_PID", self.process.id().to_string()),
            ("CANARY_MARK", self.mark.clone()),
            ("CANARY_NAMESPACES", namespaces()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// What stands in the environment of everything the attack starts; also the abstract socket's name.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// Descriptors that every process started meanwhile inherits, as from a host that forgot
    /// close-on-exec: of the secret file, and of the host's event queues.
    pub(super) fn leak(&self) -> io::Result<Vec<OwnedFd>> {
        let file = std::fs::File::open(self.folder.path().join("secret"))?;
        let queue = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::empty())?;
        let counter = rustix::event::eventfd(1, rustix::event::EventfdFlags::empty())?;
        // The standard library opens with close-on-exec; a duplicate is without.
        Ok(vec![rustix::io::dup(file)?, queue, counter, signal_queue()?])
    }

    /// Everything that arrived here or was changed, as the end of "the host saw ...". `output` is all
    /// that the attacking program said.
    pub(super) fn seen(&self, output: &str) -> Vec<String> {
        let mut seen = Vec::new();
        let mut note = |happened: bool, what: &str| {
            if happened {
                seen.push(what.to_owned());
            }
        };
        note(output.contains(&self.secret), "the secret in its output");
        note(self.tcp.accept().is_ok(), "a connection to its TCP port");
        note(self.udp.recv(&mut [0; 16]).is_ok(), "a datagram on its UDP port");
        note(self.unix.accept().is_ok(), "a connection to its Unix socket");
        note(self.datagram.recv(&mut [0; 16]).is_ok(), "a datagram on its Unix socket");
        note(self.nameless.accept().is_ok(), "a connection to its abstract socket");
        match survey(self.folder.path()) {
            Ok(files) => seen.extend(differences(&self.files, &files)),
            Err(error) => seen.push(format!("its folder unreadable: {error}")),
        }
        match ProcessState::of(self.process.id()) {
            Ok(state) if state == self.process_state && !self.answers() => {
                seen.push("its process silent".to_owned());
            }
            Ok(state) if state == self.process_state => {}
            Ok(state) => seen.push(format!("its process {}", state.difference(&self.process_state))),
            Err(_) => seen.push("its process gone".to_owned()),
        }
        seen
    }
}

impl Canary {
    /// Whether its process says what it is told: a signal on its way to it has then not ended it.
    fn answers(&self) -> bool {
        let (Some(mut to), Some(from)) = (self.process.stdin.as_ref(), self.process.stdout.as_ref()) else {
            return false;
        };
        let mut wanted = [PollFd::new(from, PollFlags::IN)];
        to.write_all(b"x").is_ok()
            && matches!(poll(&mut wanted, Some(&PATIENCE)), Ok(1))
            && rustix::io::read(from, &mut [0; 16]).is_ok_and(|length| length == 1)
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let _already_gone = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// A queue of signals that are asked for nowhere.
fn signal_queue() -> io::Result<OwnedFd> {
    // SAFETY: a signal set is plain numbers, for which zero is a value: the empty set.
    let none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set lives through the call; a new descriptor is asked for.
    let number = unsafe { libc::signalfd(-1, &raw const none, 0) };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What an attack could change about a process.
#[derive(Debug, PartialEq, Eq)]
struct ProcessState {
    stopped: bool,
    nice: String,
    policy: String,
    score: String,
    limits: String,
}

impl ProcessState {
    fn of(pid: u32) -> io::Result<Self> {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
        let stat = read("stat")?;
        let fields: Vec<&str> =
            stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |number: usize| fields.get(number).copied().unwrap_or("").to_owned();
        if matches!(field(0).as_str(), "Z" | "X") {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self {
            stopped: matches!(field(0).as_str(), "T" | "t"),
            nice: field(16),
            policy: field(38),
            score: read("oom_score_adj")?,
            limits: read("limits")?,
        })
    }
}

impl ProcessState {
    /// What has become different since `before`.
    fn difference(&self, before: &Self) -> String {
        [
            (self.stopped != before.stopped, "stopped".to_owned()),
            (self.nice != before.nice, format!("at priority {}", self.nice)),
            (self.policy != before.policy, format!("under scheduling policy {}", self.policy)),
            (self.score != before.score, format!("with score {}", self.score.trim())),
            (self.limits != before.limits, "with other limits".to_owned()),
        ]
        .into_iter()
        .filter_map(|(changed, what)| changed.then_some(what))
        .collect::<Vec<_>>()
        .join(" and ")
    }
}

/// A process that says what it is told until the end of file that comes when we end, with the secret in
/// its memory.
#[expect(clippy::disallowed_methods, reason = "starting processes is what this crate is for")]
fn start_process(secret: &str) -> io::Result<Child> {
    let mut command = Command::new("cat");
    command
        .env_clear()
        .env("CANARY_SECRET", secret)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .current_dir("/");
    spawner::spawn(command)
}

/// The namespaces we are in, as the kernel names them: `mnt:[4026531841] ...`.
fn namespaces() -> String {
    let name = |kind: &str| std::fs::read_link(format!("/proc/self/ns/{kind}"));
    let all = ["mnt", "pid", "net", "ipc", "uts", "cgroup"].map(name);
    all.into_iter().flatten().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
}

/// Kind, mode and content.
pub(super) type FileState = (u32, Vec<u8>);

/// Everything below a folder: what is there, and how it looks.
pub(super) fn survey(folder: &Path) -> io::Result<BTreeMap<PathBuf, FileState>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let (path, kind) = (entry.as_ref().map(std::fs::DirEntry::path), entry.as_ref());
            let (Ok(path), Ok(entry)) = (path, kind) else { continue };
            let about = entry.metadata()?;
            let content = if about.is_file() { std::fs::read(&path)? } else { Vec::new() };
            if about.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path, (about.mode(), content));
        }
    }
    Ok(found)
}

/// What is new, gone or different, as the end of "the host saw ...".
pub(super) fn differences(
    before: &BTreeMap<PathBuf, FileState>,
    after: &BTreeMap<PathBuf, FileState>,
) -> Vec<String> {
    let mut all: Vec<&PathBuf> = before.keys().chain(after.keys()).collect();
    all.sort();
    all.dedup();
    all.into_iter()
        .filter_map(|path| match (before.get(path), after.get(path)) {
            (Some(_), None) => Some(format!("{} gone", path.display())),
            (None, Some(_)) => Some(format!("{} made", path.display())),
            (old, new) => (old != new).then(|| format!("{} changed", path.display())),
        })
        .collect()
}

/// A temporary folder that other users can read.
pub(super) fn readable_folder() -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("bailey-escape-")
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
}

/// Writes a file that everybody may read and write.
fn write_for_all(path: &Path, text: &str) -> io::Result<()> {
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))
}

/// 16 bytes of the kernel's randomness, in hexadecimal.
fn random() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}
