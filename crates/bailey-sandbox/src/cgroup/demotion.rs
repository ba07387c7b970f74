//! Moves whoever keeps using up its processor share behind everybody else, until it has rested. The share alone
//! is not enough: within it, a loop that never sleeps makes a neighbour that wakes for a millisecond wait for
//! the end of a time slice, again and again.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    files::{counter, shares},
    find::{Place, places_of},
};

/// Time between two looks at the groups.
const LOOK: Duration = Duration::from_secs(1);
/// Accounting periods (ten a second) in which the share was used up, from one look to the next, that move a
/// group behind the others.
const GREEDY_PERIODS: u64 = 5;
/// Accounting periods from one look to the next with work in them, from which on a group is not resting: one that
/// is behind the others may never get far enough to use up its share.
const BUSY_PERIODS: u64 = 8;
/// Looks in a row at a resting group that bring it back.
const REST_LOOKS: u32 = 5;

/// A group's processor files, and what they said.
#[derive(Debug)]
pub(super) struct Share {
    /// The folder that has them.
    pub(super) folder: PathBuf,
    /// Whether they are version 2's.
    pub(super) version2: bool,
    /// Its weight while it is not behind the others, in version 2's unit.
    pub(super) weight: u64,
}

/// Watches the group of a process whose group others made, if it is to be seen and its share is limited there.
pub(crate) fn keep_fair(pid: u32, weight: u64) {
    let limited = |place: &Place| counter(&place.folder.join("cpu.stat"), "nr_throttled").is_some();
    match places_of(pid, "cpu").into_iter().find(limited) {
        Some(Place { folder, version2, .. }) => watch(Share { folder, version2, weight }),
        None => {
            tracing::debug!(pid, "the group of a process is not to be seen; only its share keeps it fair")
        }
    }
}

/// Watches a group until it is removed.
pub(super) fn watch(share: Share) {
    static THREAD: OnceLock<Option<Sender<Share>>> = OnceLock::new();
    // Without the thread the share is still limited; that was said when it could not be started.
    if let Some(sender) = THREAD.get_or_init(start_thread) {
        let _thread_never_ends = sender.send(share);
    }
}

fn start_thread() -> Option<Sender<Share>> {
    let (sender, shares) = channel();
    std::thread::Builder::new()
        .name("sandbox-fairness".to_owned())
        .spawn(move || look_after(&shares))
        .inspect_err(|error| tracing::error!(%error, "cannot start the thread that keeps plugins fair"))
        .ok()
        .map(|_| sender)
}

fn look_after(new: &Receiver<Share>) {
    let mut watched: Vec<Watched> = Vec::new();
    let mut next = Instant::now() + LOOK;
    loop {
        let arrived = if watched.is_empty() {
            new.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            new.recv_timeout(next.saturating_duration_since(Instant::now()))
        };
        match arrived {
            Ok(share) => {
                if watched.is_empty() {
                    next = Instant::now() + LOOK;
                }
                watched.push(Watched { share, used_up: 0, busy: 0, behind: false, rested: 0 });
            }
            Err(RecvTimeoutError::Timeout) => {
                watched.retain_mut(|group| group.look());
                next = Instant::now() + LOOK;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[derive(Debug)]
struct Watched {
    share: Share,
    /// Periods in which the share was used up, since the start.
    used_up: u64,
    /// Periods with work in them, since the start.
    busy: u64,
    behind: bool,
    rested: u32,
}

impl Watched {
    /// Moves the group if it is time; `false` when it is gone.
    fn look(&mut self) -> bool {
        let statistics = self.share.folder.join("cpu.stat");
        let (Some(used_up), Some(busy)) =
            (counter(&statistics, "nr_throttled"), counter(&statistics, "nr_periods"))
        else {
            return false;
        };
        let greedy = used_up.saturating_sub(self.used_up);
        let rests = greedy == 0 && busy.saturating_sub(self.busy) < BUSY_PERIODS;
        (self.used_up, self.busy) = (used_up, busy);
        self.rested = if rests { self.rested + 1 } else { 0 };
        let behind = if self.behind { self.rested < REST_LOOKS } else { greedy >= GREEDY_PERIODS };
        if behind != self.behind {
            self.behind = behind;
            self.share.place(behind);
        }
        true
    }
}

impl Share {
    /// Behind the others, or back among them. On a kernel before Linux 5.15, which cannot set a group behind all
    /// others, it gets the least weight there is.
    fn place(&self, behind: bool) {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let (weight_file, weight) = match self.version2 {
            true => ("cpu.weight", if behind { 1 } else { self.weight }),
            false => ("cpu.shares", shares(if behind { 1 } else { self.weight })),
        };
        let put = |file: &str, value: u64| put(&self.folder.join(file), value);
        // The weight of a group that is behind cannot be set, and is the usual one when it comes back.
        let placed = match behind {
            true => put("cpu.idle", 1) || put(weight_file, weight),
            false => {
                put("cpu.idle", 0);
                put(weight_file, weight)
            }
        };
        match (placed, behind) {
            (true, true) => {
                tracing::info!(group = %name, "a process keeps using up its processor share; it waits behind the others until it rests")
            }
            (true, false) => {
                tracing::info!(group = %name, "a process has rested and is back among the others")
            }
            (false, _) => tracing::debug!(group = %name, "a group could not be moved; it may be gone"),
        }
    }
}

/// Whether the value was taken.
fn put(file: &Path, value: u64) -> bool {
    file.exists() && fs::write(file, value.to_string()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group whose files are a folder's.
    fn group(folder: &Path) -> Watched {
        let share = Share { folder: folder.to_owned(), version2: true, weight: 100 };
        Watched { share, used_up: 0, busy: 0, behind: false, rested: 0 }
    }

    #[test]
    fn the_greedy_go_behind_and_come_back_rested() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        for file in ["cpu.idle", "cpu.weight"] {
            fs::write(folder.path().join(file), "unset").unwrap();
        }
        let mut group = group(folder.path());
        let mut look = |busy: u64, used_up: u64| {
            let text = format!("nr_periods {busy}\nnr_throttled {used_up}\n");
            fs::write(folder.path().join("cpu.stat"), text).unwrap();
            group.look()
        };
        assert!(look(10, GREEDY_PERIODS - 1));
        assert_eq!(read("cpu.idle"), "unset");
        look(20, 2 * GREEDY_PERIODS - 1);
        assert_eq!((read("cpu.idle").as_str(), read("cpu.weight").as_str()), ("1", "unset"));
        // Using it up once more begins the rest anew, and so does work all the time.
        for (busy, used_up) in [(21, 9), (22, 9), (23, 9), (24, 9), (25, 10), (26, 10), (34, 10)] {
            look(busy, used_up);
        }
        for busy in 35..35 + u64::from(REST_LOOKS) {
            assert_eq!(read("cpu.idle"), "1");
            look(busy, 10);
        }
        assert_eq!((read("cpu.idle").as_str(), read("cpu.weight").as_str()), ("0", "100"));
        fs::remove_file(folder.path().join("cpu.stat")).unwrap();
        assert!(!group.look(), "it is gone and still looked at");
    }

    #[test]
    fn an_old_kernel_gives_the_least_weight() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cpu.weight"), "100").unwrap();
        let share = group(folder.path()).share;
        share.place(true);
        assert_eq!(fs::read_to_string(folder.path().join("cpu.weight")).unwrap(), "1");
        share.place(false);
        assert_eq!(fs::read_to_string(folder.path().join("cpu.weight")).unwrap(), "100");
        assert!(!folder.path().join("cpu.idle").exists());
    }
}
