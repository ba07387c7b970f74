//! Recording what happens, and repeating what a recording's people and driver did.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::Control;
use super::operations::{Trouble, perform};
use crate::error::ControlError;
use crate::recording::{Record, Recording};
use crate::shared::lock;

/// Longest name of a recording.
const MOST_NAME: usize = 64;

/// What repeating a recording came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repeated {
    /// Operations that were done.
    pub done: usize,
    /// What did not happen as it was recorded, in words: operations refused, requests that did not come in time.
    pub differences: Vec<String>,
}

impl Control {
    /// Begins to record into a file that does not exist yet: REST, gateway and control side, without secrets. Begun
    /// right after the start, a recording has the whole story.
    ///
    /// # Errors
    /// When a recording is under way, or the file exists or cannot be made.
    pub fn start_recording(&self, path: &Path) -> Result<(), ControlError> {
        let shown = path.display();
        match self.shared.recorder.start(path) {
            Ok(true) => Ok(()),
            Ok(false) => Err(ControlError::new("a recording is under way", "end it with `stop_recording`")),
            Err(error) => Err(ControlError::new(
                format!("the recording {shown} cannot be made: {error}"),
                "choose a file that does not exist, in a folder that does",
            )),
        }
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// When there is none.
    pub fn stop_recording(&self) -> Result<(), ControlError> {
        if self.shared.recorder.stop() {
            return Ok(());
        }
        Err(ControlError::new("nothing is being recorded", "begin with `start_recording`"))
    }

    /// The folder for recordings that are ordered by name, over HTTP; there are none without it.
    pub fn set_recordings_folder(&self, folder: &Path) {
        *lock(&self.shared.recordings) = Some(folder.to_owned());
    }

    /// Begins to record into `name.jsonl` in that folder. Gives the file's path.
    ///
    /// # Errors
    /// When there is no folder, the name is not letters, digits, `-` and `_`, or the file cannot be made.
    pub fn start_named_recording(&self, name: &str) -> Result<PathBuf, ControlError> {
        let Some(folder) = lock(&self.shared.recordings).clone() else {
            let hint = "whoever starts the simulator chooses one with `Control::set_recordings_folder`";
            return Err(ControlError::new("this simulator has no folder for recordings", hint));
        };
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        if name.is_empty() || name.len() > MOST_NAME || !name.chars().all(fits) {
            let hint = format!("take at most {MOST_NAME} letters, digits, `-` and `_`");
            return Err(ControlError::new(format!("`{name}` cannot be the name of a recording"), hint));
        }
        let path = folder.join(format!("{name}.jsonl"));
        self.start_recording(&path)?;
        Ok(path)
    }

    /// Does again what people and driver did in a recording, in this simulator and with the client that is connected
    /// to it. Before each step the client has as long as `patience` to send as many requests as it had sent when that
    /// step was recorded. Ids are the same as then with the same seed, world and clock.
    pub async fn repeat(&self, recording: &Recording, patience: Duration) -> Repeated {
        let mut repeated = Repeated::default();
        let mut asked = 0;
        let mut answered = self.shared.answered.subscribe();
        let before = *answered.borrow();
        let mut needs_client = None;
        for record in recording.records() {
            match record {
                Record::Answer { .. } => asked += 1,
                Record::Told { .. } if needs_client.is_none() => needs_client = Some(true),
                Record::Control { operation, fields, .. } => {
                    // Only for the first one: later on being away is part of the story.
                    if needs_client.replace(false) == Some(true) && !self.wait_for_client(patience).await {
                        repeated.differences.push(format!("before `{operation}`: no client is connected"));
                    }
                    if timeout(patience, answered.wait_for(|count| *count >= before + asked)).await.is_err() {
                        let count = *answered.borrow() - before;
                        let text =
                            format!("before `{operation}`: the client sent {count} requests, not {asked}");
                        repeated.differences.push(text);
                    }
                    match perform(self, operation, fields.clone()) {
                        Ok(_) => repeated.done += 1,
                        Err(Trouble::Unknown) => {
                            repeated.differences.push(format!("`{operation}` is no operation"));
                        }
                        Err(Trouble::Unreadable(error) | Trouble::Refused(error)) => {
                            repeated.differences.push(format!("`{operation}`: {}", error.message));
                        }
                    }
                }
                _ => {}
            }
        }
        repeated
    }
}
