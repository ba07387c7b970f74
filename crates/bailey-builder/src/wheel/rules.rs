//! Rules about single things of a wheel: a path, a kind, a version, the directory's own account of itself.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::limits;

/// A path that stays inside, spelled in the one way that everybody reads alike.
pub(super) fn check_path(path: &str) -> Result<(), &'static str> {
    if path.len() > limits::INSTALLED_PATH_BYTES {
        return Err("a path that is too long");
    }
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err("a path outside of the packages");
    }
    let odd = |part: &str| part.is_empty() || part == "." || part.len() > 255;
    if path.split('/').any(odd) || path.chars().any(|c| c == '\\' || c.is_control()) {
        return Err("a path that is not read alike everywhere");
    }
    Ok(())
}

/// The upper half of an entry's attributes is the Unix mode; other systems leave it empty.
pub(super) fn check_kind(mode: u32, is_folder: bool) -> Result<(), &'static str> {
    const KIND: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    const FOLDER: u32 = 0o040_000;
    const LINK: u32 = 0o120_000;
    match mode & KIND {
        0 => Ok(()),
        REGULAR if !is_folder => Ok(()),
        FOLDER if is_folder => Ok(()),
        LINK => Err("a link"),
        _ => Err("neither a file nor a folder"),
    }
}

/// The numbers of a version: they are the same in all its spellings.
pub(super) fn numbers(version: &str) -> Vec<&str> {
    let mut numbers: Vec<&str> = version
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.trim_start_matches('0'))
        .collect();
    while numbers.last().is_some_and(|last| last.is_empty()) {
        numbers.pop();
    }
    numbers
}

/// How many files the archive's directory names, or `None` if that can be read in more than one way.
/// Asked before the directory is read into memory.
pub(super) fn count(file: &mut File) -> std::io::Result<Option<usize>> {
    const MARK: &[u8] = b"PK\x05\x06";
    const RECORD: usize = 22;
    const FARTHEST: u64 = RECORD as u64 + u16::MAX as u64;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(FARTHEST)))?;
    let mut tail = Vec::new();
    file.take(FARTHEST).read_to_end(&mut tail)?;
    file.seek(SeekFrom::Start(0))?;
    let mut found =
        tail.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK).map(|(at, _)| at);
    let (Some(at), None) = (found.next(), found.next()) else { return Ok(None) };
    let Some(record) = tail.get(at..at + RECORD) else { return Ok(None) };
    let number = u16::from_le_bytes([record[10], record[11]]);
    // All ones, in the number or in the directory's size and place, mean that the truth is elsewhere, which
    // only archives that are larger than a wheel may be need.
    let is_elsewhere = number == u16::MAX || record[12..16] == [0xff; 4] || record[16..20] == [0xff; 4];
    Ok((!is_elsewhere).then_some(number.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for path in ["a/b.py", "a-1.0.dist-info/METADATA", "ü.py", "a..b/c"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in
            ["/etc/passwd", "../a", "a/../../b", "a//b", "", "./a", "a\\b", "a\nb", "a/.", &"a/".repeat(300)]
        {
            assert!(check_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn kinds_are_files_and_folders() {
        assert!(
            check_kind(0, false).is_ok()
                && check_kind(0o100_644, false).is_ok()
                && check_kind(0o040_755, true).is_ok()
        );
        for mode in [0o120_777, 0o060_600, 0o020_600, 0o010_600, 0o140_600, 0o040_755] {
            assert!(check_kind(mode, false).is_err(), "{mode:o}");
        }
    }

    #[test]
    fn a_directory_that_is_described_elsewhere_is_not_counted() {
        let counted = |change: fn(&mut [u8])| {
            let mut record = *b"PK\x05\x06\0\0\0\0\x03\0\x03\0\x09\0\0\0\0\0\0\0\0\0";
            change(&mut record);
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, &record).unwrap();
            count(&mut file).unwrap()
        };
        assert_eq!(counted(|_| ()), Some(3));
        assert_eq!(counted(|record| record[10..12].fill(0xff)), None);
        assert_eq!(counted(|record| record[12..16].fill(0xff)), None);
        assert_eq!(counted(|record| record[16..20].fill(0xff)), None);
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (one, other) in
            [("1.0", "1.0.0"), ("2026.01.05", "2026.1.5"), ("1.0-rc.1", "1.0rc1"), ("v1.2", "1.2")]
        {
            assert_eq!(numbers(one), numbers(other));
        }
        assert_ne!(numbers("1.0.1"), numbers("1.1"));
        assert_ne!(numbers("10"), numbers("1"));
    }
}
