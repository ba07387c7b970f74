//! Watches how much a jail writes while it runs. The kernel bounds each file; nothing but looking bounds
//! all of them together on an ordinary file system.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits;

/// The shortest pause between two looks; a look that takes long is followed by a longer one.
const PAUSE: Duration = Duration::from_millis(100);
/// Pause in looks' own lengths, so that looking takes a fifth of one processor at most.
const PAUSE_IN_LOOKS: u32 = 4;

/// Bytes and files below some folders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

/// What is below a folder. Links are not followed; what vanishes meanwhile does not count.
pub(crate) fn extent(folder: &std::path::Path) -> Extent {
    use std::os::unix::fs::MetadataExt;
    let mut all = Extent::default();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(data) = entry.metadata() else { continue };
            all.files += 1;
            all.bytes = all.bytes.saturating_add(data.blocks().saturating_mul(512).max(data.len().min(4096)));
            if data.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    all
}

/// Folders, and what was in them before.
pub(crate) struct Watch {
    folders: Vec<PathBuf>,
    before: Extent,
}

impl Watch {
    /// Remembers what is there now.
    pub(crate) async fn begin(folders: Vec<PathBuf>) -> Self {
        let before = look(&folders).await;
        Self { folders, before }
    }

    /// Ends when too much was added, with the limit as the end of a sentence. Never ends otherwise.
    pub(crate) async fn exceeded(&self) -> String {
        loop {
            let began = tokio::time::Instant::now();
            if let Some(limit) = self.look().await {
                return limit;
            }
            tokio::time::sleep(PAUSE.max(began.elapsed() * PAUSE_IN_LOOKS)).await;
        }
    }

    /// The limit that is exceeded now, as the end of a sentence.
    pub(crate) async fn look(&self) -> Option<String> {
        let now = look(&self.folders).await;
        if now.bytes.saturating_sub(self.before.bytes) > limits::JAIL_WRITTEN_BYTES {
            return Some(format!("writes more than {} MB", limits::JAIL_WRITTEN_BYTES / 1024 / 1024));
        }
        if now.files.saturating_sub(self.before.files) > limits::JAIL_WRITTEN_FILES {
            return Some(format!("writes more than {} files", limits::JAIL_WRITTEN_FILES));
        }
        None
    }
}

async fn look(folders: &[PathBuf]) -> Extent {
    let folders = folders.to_vec();
    let looking = tokio::task::spawn_blocking(move || {
        folders.iter().map(|folder| extent(folder)).fold(Extent::default(), |all, one| Extent {
            bytes: all.bytes.saturating_add(one.bytes),
            files: all.files.saturating_add(one.files),
        })
    });
    looking.await.unwrap_or_default()
}
