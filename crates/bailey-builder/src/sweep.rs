//! Keeps the cache within its bounds: uv's own files, fetched wheels, package folders nobody uses, and
//! what builders left that were killed.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::limits;
use crate::store::{BYTES_LINE, Entry, SCRATCH, Store, is_hash, remove};
use crate::watch::extent;

/// How much may stay, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) uv_cache: u64,
    pub(crate) wheels: u64,
    pub(crate) packages: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            uv_cache: limits::UV_CACHE_BYTES,
            wheels: limits::KEPT_WHEELS_BYTES,
            packages: limits::KEPT_PACKAGES_BYTES,
        }
    }
}

/// Something that may be removed: when it was used last, how large it is, where it is.
type Candidate = ((i64, i64), u64, PathBuf);

impl Store {
    /// Removes what is too much, the least recently used first. Blocking; several may do it at once.
    pub(crate) fn sweep(&self, bounds: &Bounds) {
        for folder in self.folders(|name| name.starts_with(SCRATCH)) {
            // A builder that lives holds a lock on it.
            if File::open(&folder).is_ok_and(|opened| opened.try_lock().is_ok()) {
                remove(&folder);
            }
        }
        for folder in self.folders(|name| name == "uv" || name.starts_with("uv-")) {
            self.empty(folder, bounds.uv_cache);
        }
        for (_, _, path) in excess(self.wheel_files(), bounds.wheels) {
            let _another_sweeper_was_faster = fs::remove_file(path); // who reads it now goes on reading
        }
        for (_, _, lock) in excess(self.package_locks(), bounds.packages) {
            self.remove_packages(&lock);
        }
    }

    fn folders(&self, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let wanted = entries.filter(|entry| entry.file_name().to_str().is_some_and(&wanted));
        wanted
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect()
    }

    /// Empties a cache of uv's that is too large, if nobody works with it.
    fn empty(&self, folder: PathBuf, most: u64) {
        if extent(&folder).bytes <= most {
            return;
        }
        let Ok(opened) = File::open(&folder) else { return };
        if opened.try_lock().is_err() {
            return;
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => remove(&entry.path()),
                _ => {
                    let _swept_next_time = fs::remove_file(entry.path());
                }
            }
        }
        tracing::info!(folder = %folder.display(), "emptied uv's cache, which had grown too large");
    }

    fn wheel_files(&self) -> Vec<Candidate> {
        let entries = fs::read_dir(self.wheels()).into_iter().flatten().flatten();
        let files = entries.filter_map(|entry| {
            let data = entry.metadata().ok()?;
            Some(((data.mtime(), data.mtime_nsec()), data.len(), entry.path()))
        });
        files.collect()
    }

    fn package_locks(&self) -> Vec<Candidate> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let locks = entries.filter_map(|entry| {
            let path = entry.path();
            let ours = path.extension().is_some_and(|extension| extension == "lock");
            let ours = ours && path.file_stem()?.to_str().is_some_and(is_hash);
            let data = entry.metadata().ok().filter(|_| ours)?;
            let text = fs::read_to_string(&path).ok()?;
            let bytes = text.lines().next()?.strip_prefix(BYTES_LINE)?.parse().ok()?;
            Some(((data.mtime(), data.mtime_nsec()), bytes, path))
        });
        locks.collect()
    }

    fn remove_packages(&self, lock: &std::path::Path) {
        let Ok(opened) = File::open(lock) else { return };
        if opened.try_lock().is_err() {
            return; // in use
        }
        let folder = lock.with_extension("");
        let hash = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Out of the way at once, then away; a crash between leaves a leftover like that of a build.
        let away = self.root.join(format!("{SCRATCH}not-{hash}"));
        let _it_may_be_gone = crate::inspect::set_mode(&folder, crate::inspect::MOVING_FOLDER)
            .and_then(|()| fs::rename(&folder, &away).map_err(crate::BuildError::cache("move", &folder)));
        let _another_sweeper_was_faster = fs::remove_file(lock);
        remove(&away);
        for entry in fs::read_dir(self.root.join("index")).into_iter().flatten().flatten() {
            let names =
                fs::read(entry.path()).ok().and_then(|text| serde_json::from_slice::<Entry>(&text).ok());
            if names.is_some_and(|names| names.hash == hash) {
                let _another_sweeper_was_faster = fs::remove_file(entry.path());
            }
        }
        tracing::info!(hash, "removed packages that nobody uses");
    }
}

/// The least recently used, as many as are too much.
fn excess(mut all: Vec<Candidate>, most: u64) -> Vec<Candidate> {
    all.sort_unstable_by_key(|candidate| std::cmp::Reverse(candidate.0));
    let mut kept = 0_u64;
    all.retain(|(_, bytes, _)| {
        kept = kept.saturating_add(*bytes);
        kept > most
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Bounds = Bounds { uv_cache: 0, wheels: 0, packages: 0 };

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    /// Packages of so many bytes.
    fn keep(store: &Store, digit: char, bytes: usize) -> String {
        let hash = digit.to_string().repeat(64);
        let scratch = store.scratch().unwrap();
        let packages = scratch.path().join("packages");
        fs::create_dir(&packages).unwrap();
        fs::write(packages.join("a.py"), vec![b'#'; bytes]).unwrap();
        store.keep(&packages, &hash, "a lock\n").unwrap();
        hash
    }

    #[test]
    fn the_least_recently_used_go_first_and_what_is_in_use_stays() {
        let (_folder, store) = store();
        let hashes: Vec<_> = ['a', 'b', 'c'].into_iter().map(|digit| keep(&store, digit, 100)).collect();
        let there = |hash: &String| store.built(hash, Vec::new()).is_some();
        let used = store.built(&hashes[0], Vec::new()).unwrap();
        store.remember("question", &used).unwrap();
        // Used in this order: b, c, a. Told, because the kernel's clock for files is coarse.
        for (seconds, hash) in [(1, &hashes[1]), (2, &hashes[2]), (3, &hashes[0])] {
            assert!(there(hash));
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::open(store.root.join(format!("{hash}.lock"))).unwrap().set_modified(time).unwrap();
        }
        store.sweep(&Bounds { packages: 250, ..Bounds::default() });
        assert_eq!(hashes.iter().map(there).collect::<Vec<_>>(), [true, false, true]);
        store.sweep(&NOTHING);
        assert_eq!(hashes.iter().map(there).collect::<Vec<_>>(), [true, false, false]);
        assert!(used.directory.join("a.py").is_file() && store.find("question").is_some());
        drop(used);
        store.sweep(&NOTHING);
        assert!(!there(&hashes[0]) && store.find("question").is_none());
        let left: Vec<_> =
            fs::read_dir(&store.root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "the index and the wheels: {left:?}");
    }

    #[test]
    fn leftovers_of_the_dead_are_removed_and_the_folder_of_a_living_builder_is_not() {
        let (folder, store) = store();
        let left = folder.path().join(".building-old");
        fs::create_dir(&left).unwrap();
        let living = store.scratch().unwrap();
        store.sweep(&Bounds::default());
        assert!(!left.exists() && living.path().exists());
    }

    #[test]
    fn uvs_cache_and_old_wheels_are_bounded() {
        let (_folder, store) = store();
        let cache = store.uv_cache(Some(7));
        fs::create_dir(&cache).unwrap();
        fs::write(cache.join("file"), vec![0; 10_000]).unwrap();
        fs::write(store.wheels().join("x.whl"), vec![0; 10_000]).unwrap();
        store.sweep(&Bounds::default());
        assert!(cache.join("file").exists() && store.wheels().join("x.whl").exists());
        let in_use = File::open(&cache).unwrap();
        in_use.lock_shared().unwrap();
        store.sweep(&NOTHING);
        assert!(cache.join("file").exists() && !store.wheels().join("x.whl").exists());
        in_use.unlock().unwrap();
        store.sweep(&NOTHING);
        assert!(cache.is_dir() && !cache.join("file").exists());
    }
}
