//! The operations of [`Control`] by name, with their fields as JSON: what `/sim/api` does and recordings repeat.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Control;
use crate::error::ControlError;

/// Why an operation was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// None is called like that.
    Unknown,
    /// Its fields make no sense.
    Unreadable(ControlError),
    /// It cannot be done.
    Refused(ControlError),
}

impl From<ControlError> for Trouble {
    fn from(error: ControlError) -> Self {
        Self::Refused(error)
    }
}

impl Trouble {
    pub(super) fn unreadable(error: serde_json::Error) -> Self {
        let text = format!("the operation cannot be read: {error}");
        Self::Unreadable(ControlError::new(text, "fields are in the reference"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seconds {
    seconds: f64,
}

impl Seconds {
    fn duration(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or(Duration::ZERO)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skew {
    seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invalidate {
    #[serde(default)]
    resumable: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropConnection {
    #[serde(default)]
    code: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    uri: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    times: u32,
}

fn read<T: DeserializeOwned>(fields: Value) -> Result<T, Trouble> {
    T::deserialize(fields).map_err(Trouble::unreadable)
}

/// Does one operation; gives its receipt.
pub(super) fn perform(control: &Control, operation: &str, fields: Value) -> Result<Value, Trouble> {
    let done = || json!({"ok": true});
    Ok(match operation {
        "say" => json!(control.say(read(fields)?)?),
        "command" => json!(control.command(read(fields)?)?),
        "click" => json!(control.click(&read(fields)?)?),
        "choose" => json!(control.choose(&read(fields)?)?),
        "submit" => json!(control.submit(&read(fields)?)?),
        "react" => json!(control.react(read(fields)?)?),
        "unreact" => json!(control.unreact(read(fields)?)?),
        "administer" => json!(control.administer(&read(fields)?)?),
        "voice" => json!(control.voice(&read(fields)?)?),
        "join" => json!(control.join(&read(fields)?)?),
        "leave" => json!(control.leave(&read(fields)?)?),
        "advance" => {
            let time: Seconds = read(fields)?;
            if !(time.seconds.is_finite() && time.seconds >= 0.0) {
                let hint = "give `seconds` as a number of at least 0";
                return Err(ControlError::new("time only moves forward", hint).into());
            }
            json!({"now_ms": control.advance(time.duration())?})
        }
        "reconnect" => {
            let Nothing {} = read(fields)?;
            json!(control.reconnect())
        }
        "invalidate_session" => json!(control.invalidate_session(read::<Invalidate>(fields)?.resumable)),
        "drop_connection" => json!(control.drop_connection(read::<DropConnection>(fields)?.code)),
        "fault" => {
            control.fault(read(fields)?)?;
            done()
        }
        "dispatch_fault" => {
            control.dispatch_fault(read(fields)?)?;
            done()
        }
        "clear_faults" => {
            let Nothing {} = read(fields)?;
            control.clear_faults();
            done()
        }
        "clock_skew" => {
            control.clock_skew(read::<Skew>(fields)?.seconds)?;
            done()
        }
        "global_rate_limit" => {
            control.global_rate_limit(read::<Seconds>(fields)?.duration());
            done()
        }
        "refuse_connections" => {
            control.refuse_connections(read::<Times>(fields)?.times);
            done()
        }
        "cut_resumed" => {
            control.cut_resumed(read::<Times>(fields)?.times);
            done()
        }
        "scenario" => json!(control.scenario(&read::<Named>(fields)?.name)?),
        "register_redirect_uri" => {
            control.register_redirect_uri(&read::<Address>(fields)?.uri)?;
            done()
        }
        "start_recording" => json!({"path": control.start_named_recording(&read::<Named>(fields)?.name)?}),
        "stop_recording" => {
            let Nothing {} = read(fields)?;
            control.stop_recording()?;
            done()
        }
        _ => return Err(Trouble::Unknown),
    })
}
