//! The operator's keys: a file beside the database, never in it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::Rng;
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes before the sealed text.
const NONCE_BYTES: usize = 24;
/// Owner alone may read and write.
const MODE: u32 = 0o600;
/// First line of a key file.
const TITLE: &str = "# Keys of the secrets plugins keep. Without this file they cannot be read. The last key is the one in use.";

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("the key file {path} cannot be {attempt}; hint: it belongs to whoever runs Bailey, mode 0600")]
    File {
        /// Which.
        path: PathBuf,
        /// What was tried.
        attempt: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Others can read it.
    #[error("the key file {path} can be read by others; hint: chmod 600 {path}", path = .0.display())]
    Open(PathBuf),
    /// A line is no key.
    #[error("line {line} of the key file {path} is no key: it is a number and {} hexadecimal digits", KEY_BYTES * 2)]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
    },
}

/// One key.
#[derive(Clone)]
struct Key {
    number: i32,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

/// A text that only a holder of the key can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which key.
    pub key: i32,
    /// Nonce and text.
    pub bytes: Vec<u8>,
}

/// Why something sealed cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The key is not in the file.
    #[error("key {0} is not in the key file")]
    NoKey(i32),
    /// It is not what was sealed here under this name.
    #[error("it was changed, or sealed for something else")]
    Changed,
}

/// The keys of one key file, or of this run alone. A cheap clone.
#[derive(Clone)]
pub struct Keys {
    path: Option<Arc<Path>>,
    keys: Arc<RwLock<Vec<Key>>>,
}

impl Keys {
    /// Keys that live as long as this process: for runs that keep nothing.
    pub fn of_this_run() -> Self {
        Self { path: None, keys: Arc::new(RwLock::new(vec![Key::new(1)])) }
    }

    /// The keys of a file; one that is not there is made, with a first key.
    ///
    /// # Errors
    /// [`KeysError`]
    pub fn open(path: &Path) -> Result<Self, KeysError> {
        let keys = match read(path) {
            Err(KeysError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let first = vec![Key::new(1)];
                match write(path, &first, Writing::Anew) {
                    Ok(()) => first,
                    // Another Bailey made it at this moment.
                    Err(KeysError::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                        read(path)?
                    }
                    Err(error) => return Err(error),
                }
            }
            read => read?,
        };
        Ok(Self { path: Some(path.into()), keys: Arc::new(RwLock::new(keys)) })
    }

    /// The number of the key in use.
    pub fn current(&self) -> i32 {
        self.all().last().map_or(0, |key| key.number)
    }

    /// Adds a key, which is the one in use from now on. Returns its number.
    ///
    /// # Errors
    /// [`KeysError`] when the file cannot be written; then nothing has changed.
    pub fn add(&self) -> Result<i32, KeysError> {
        let mut keys = self.refreshed()?;
        let number = keys.iter().map(|key| key.number).max().unwrap_or(0) + 1;
        keys.push(Key::new(number));
        self.put(keys)?;
        Ok(number)
    }

    /// Forgets every key but the one in use.
    ///
    /// # Errors
    /// [`KeysError`] when the file cannot be written; then nothing has changed.
    pub fn forget_others(&self) -> Result<(), KeysError> {
        let keys = self.refreshed()?;
        let last = keys.last().cloned().into_iter().collect();
        self.put(last)
    }

    /// Seals a text for `purpose`: it opens for nothing else.
    pub fn seal(&self, purpose: &str, text: &str) -> Sealed {
        let keys = self.all();
        let Some(key) = keys.last() else { return Sealed { key: 0, bytes: Vec::new() } };
        let mut nonce = [0; NONCE_BYTES];
        from_the_system(&mut nonce);
        let payload = Payload { msg: text.as_bytes(), aad: purpose.as_bytes() };
        let mut bytes = nonce.to_vec();
        // It fails only for texts of 256 GiB.
        bytes.extend(key.cipher().encrypt(&XNonce::from(nonce), payload).unwrap_or_default());
        Sealed { key: key.number, bytes }
    }

    /// Reads what was sealed for `purpose`. A key that is not known is looked for in the file once more: another
    /// process may have added it.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open_sealed(&self, purpose: &str, sealed: &Sealed) -> Result<String, OpenError> {
        let find = |keys: &[Key]| keys.iter().find(|key| key.number == sealed.key).cloned();
        let key = find(&self.all())
            .or_else(|| find(&self.refreshed().ok()?))
            .ok_or(OpenError::NoKey(sealed.key))?;
        let (nonce, text) = sealed.bytes.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Changed)?;
        let payload = Payload { msg: text, aad: purpose.as_bytes() };
        let opened = key.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| OpenError::Changed)?;
        String::from_utf8(opened).map_err(|_| OpenError::Changed)
    }

    fn all(&self) -> Vec<Key> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys as the file has them now.
    fn refreshed(&self) -> Result<Vec<Key>, KeysError> {
        let Some(path) = &self.path else { return Ok(self.all()) };
        let keys = read(path)?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).clone_from(&keys);
        Ok(keys)
    }

    fn put(&self, keys: Vec<Key>) -> Result<(), KeysError> {
        if let Some(path) = &self.path {
            write(path, &keys, Writing::InPlace)?;
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}

impl Key {
    fn new(number: i32) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        from_the_system(&mut *bytes);
        Self { number, bytes }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.bytes).into())
    }
}

/// Bytes nobody can foretell. A key or a nonce is not handed in: one that repeats would open everything.
#[expect(clippy::disallowed_methods, reason = "keys and nonces come from the system and from nowhere else")]
fn from_the_system(bytes: &mut [u8]) {
    rand::rng().fill_bytes(bytes);
}

fn read(path: &Path) -> Result<Vec<Key>, KeysError> {
    let failed = |source| KeysError::File { path: path.to_owned(), attempt: "read", source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeysError::Open(path.to_owned()));
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let keys: Vec<Key> = lines
        .map(|(number, line)| {
            parse(line).ok_or_else(|| KeysError::Line { path: path.to_owned(), line: number + 1 })
        })
        .collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(KeysError::Line { path: path.to_owned(), line: 1 }) } else { Ok(keys) }
}

fn parse(line: &str) -> Option<Key> {
    let (number, digits) = line.trim().split_once(' ')?;
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    hex::decode_to_slice(digits, &mut *bytes).ok()?;
    Some(Key { number: number.parse().ok()?, bytes })
}

#[derive(Clone, Copy, PartialEq)]
enum Writing {
    /// Only if there is none.
    Anew,
    /// In one step, in place of what is there.
    InPlace,
}

fn write(path: &Path, keys: &[Key], writing: Writing) -> Result<(), KeysError> {
    let failed = |source| KeysError::File { path: path.to_owned(), attempt: "written", source };
    let mut text = Zeroizing::new(format!("{TITLE}\n"));
    for key in keys {
        text.push_str(&format!("{} {}\n", key.number, &*Zeroizing::new(hex::encode(*key.bytes))));
    }
    let anew = |path: &Path| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    // Written beside and put in place whole, so that nobody finds half a file.
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let _left_by_one_that_died = fs::remove_file(&beside);
    anew(&beside).map_err(failed)?;
    let placed = match writing {
        Writing::Anew => fs::hard_link(&beside, path).and_then(|()| fs::remove_file(&beside)),
        Writing::InPlace => fs::rename(&beside, path),
    };
    if placed.is_err() {
        let _left = fs::remove_file(&beside);
    }
    placed.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_only() {
        let keys = Keys::of_this_run();
        let sealed = keys.seal("demo/1/KEY", "hidden");
        assert_eq!(keys.open_sealed("demo/1/KEY", &sealed).unwrap(), "hidden");
        assert_eq!(keys.open_sealed("demo/2/KEY", &sealed), Err(OpenError::Changed));
        assert_ne!(keys.seal("demo/1/KEY", "hidden").bytes, sealed.bytes, "the same nonce twice");
        let mut changed = sealed.clone();
        *changed.bytes.last_mut().unwrap() ^= 1;
        assert_eq!(keys.open_sealed("demo/1/KEY", &changed), Err(OpenError::Changed));
        assert_eq!(Keys::of_this_run().open_sealed("demo/1/KEY", &sealed), Err(OpenError::Changed));
        assert_eq!(keys.open_sealed("x", &Sealed { key: 7, bytes: vec![] }), Err(OpenError::NoKey(7)));
    }

    #[test]
    fn a_key_file_is_the_owners_alone_and_keys_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret-keys");
        let keys = Keys::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        let sealed = keys.seal("p", "old");
        let other_process = Keys::open(&path).unwrap();
        assert_eq!(keys.add().unwrap(), 2);
        let new = keys.seal("p", "new");
        assert_eq!((sealed.key, new.key), (1, 2));
        assert_eq!(
            other_process.open_sealed("p", &new).unwrap(),
            "new",
            "the other process reads the file again"
        );
        keys.forget_others().unwrap();
        assert_eq!(keys.open_sealed("p", &sealed), Err(OpenError::NoKey(1)));
        assert_eq!(Keys::open(&path).unwrap().open_sealed("p", &new).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was left beside it");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Keys::open(&path), Err(KeysError::Open(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "1 abc\n").unwrap();
        assert!(matches!(Keys::open(&path), Err(KeysError::Line { line: 1, .. })));
        fs::write(&path, "").unwrap();
        assert!(Keys::open(&path).is_err(), "an empty file would seal with nothing");
    }
}
