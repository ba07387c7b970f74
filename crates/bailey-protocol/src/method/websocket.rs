//! `ws.*`: connections Bailey keeps for a plugin. SDKs since 0.8.0 have these.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::proxy::Auth;
use crate::error::CallError;
use crate::limits;
use crate::params::Params;

/// The name a plugin gives a connection: 1 to 64 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SocketName(String);

impl SocketName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`CallError::Validation`] when it is empty, too long or has control characters.
    pub fn new(text: String) -> Result<Self, CallError> {
        let most = limits::SOCKET_NAME_CHARACTERS;
        if text.is_empty() || text.chars().nth(most).is_some() || text.chars().any(char::is_control) {
            return Err(CallError::validation("name", format!("a name of 1 to {most} characters")));
        }
        Ok(Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(params: &Params) -> Result<Self, CallError> {
        Self::new(params.required("name", "a string")?)
    }
}

impl fmt::Display for SocketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parameters of `ws.ensure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensure {
    /// What the plugin calls the connection.
    pub name: SocketName,
    /// Where it goes; whether it may is decided where it is made.
    pub url: String,
    /// A secret that is to prove who asks.
    pub auth: Option<Auth>,
    /// Frames that are sent after every connect: texts as they are, anything else as JSON.
    pub subscribe: Vec<String>,
    /// Whether frames of bytes are expected: then all are told in base64.
    pub binary: bool,
}

impl Ensure {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] naming what is wrong.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let frames: Vec<Box<RawValue>> =
            params.optional("subscribe", "a list of strings and objects")?.unwrap_or_default();
        let subscribe: Vec<String> = frames
            .iter()
            .map(|frame| {
                serde_json::from_str::<String>(frame.get()).unwrap_or_else(|_| frame.get().to_owned())
            })
            .collect();
        let bytes: usize = subscribe.iter().map(String::len).sum();
        if subscribe.len() > limits::SOCKET_SUBSCRIBE_FRAMES || bytes > limits::SOCKET_SUBSCRIBE_BYTES {
            let (frames, bytes) = (limits::SOCKET_SUBSCRIBE_FRAMES, limits::SOCKET_SUBSCRIBE_BYTES);
            return Err(CallError::validation(
                "subscribe",
                format!("at most {frames} frames of {bytes} bytes together"),
            ));
        }
        Ok(Self {
            name: SocketName::parse(params)?,
            url: params.required("url", "an address that begins with wss:// or ws://")?,
            auth: Auth::parse(params)?,
            subscribe,
            binary: params.flag("binary")?,
        })
    }
}

/// Result of `ws.ensure`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ensured {
    /// The connection, until it is closed or Bailey starts anew.
    #[serde(rename = "conn_id")]
    pub connection: String,
    /// Its name.
    pub name: SocketName,
    /// How it is doing.
    pub state: SocketState,
}

/// How a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketState {
    /// It is being made.
    Connecting,
    /// Frames go to and fro.
    Open,
    /// It broke, and is made again after a wait.
    Waiting,
    /// It is no more.
    Closed,
}

impl SocketState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Closed => "closed",
        }
    }
}

/// Parameters of `ws.send`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendFrame {
    /// Over which connection.
    pub name: SocketName,
    /// What.
    pub data: FrameData,
}

/// What a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameData {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl SendFrame {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] when there is neither `text` nor `data_b64`.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let name = SocketName::parse(params)?;
        if let Some(text) = params.optional_text("text")? {
            return Ok(Self { name, data: FrameData::Text(text) });
        }
        let encoded: String = params.required("data_b64", "a text, or bytes in base64 as data_b64")?;
        let bytes = STANDARD.decode(encoded).map_err(|_| CallError::validation("data_b64", "base64"))?;
        Ok(Self { name, data: FrameData::Binary(bytes) })
    }
}

/// Parameters of `ws.close`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketNameOnly {
    /// Which connection.
    pub name: SocketName,
}

impl SocketNameOnly {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] when there is no name.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { name: SocketName::parse(params)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::parse(Some(&RawValue::from_string(text.to_owned()).unwrap())).unwrap()
    }

    #[test]
    fn connections_and_frames_are_read_as_sdks_write_them() {
        let text = r#"{"name":"feed","url":"wss://a.b","auth":null,"subscribe":["hi",{"op":1,"d":[2]}],"binary":false}"#;
        let ensure = Ensure::parse(&params(text)).unwrap();
        assert_eq!(ensure.subscribe, ["hi", r#"{"op":1,"d":[2]}"#]);
        let auth =
            r#"{"name":"f","url":"wss://a.b","auth":{"scheme":"bearer","secret":"KEY"},"binary":true}"#;
        assert_eq!(Ensure::parse(&params(auth)).unwrap().auth.unwrap().secret.as_str(), "KEY");
        let sent = SendFrame::parse(&params(r#"{"name":"f","data_b64":"AP8="}"#)).unwrap();
        assert_eq!(sent.data, FrameData::Binary(vec![0, 255]));
        assert_eq!(
            SendFrame::parse(&params(r#"{"name":"f","text":""}"#)).unwrap().data,
            FrameData::Text(String::new())
        );
        for wrong in [
            r#"{"url":"wss://a.b"}"#,
            r#"{"name":"","url":"x"}"#,
            r#"{"name":"a\nb","url":"x"}"#,
            r#"{"name":"a"}"#,
            r#"{"name":"a","url":"x","subscribe":"hi"}"#,
        ] {
            assert!(Ensure::parse(&params(wrong)).is_err(), "{wrong}");
        }
        assert!(SendFrame::parse(&params(r#"{"name":"a"}"#)).is_err());
        let many = format!(r#"{{"name":"a","url":"x","subscribe":[{}]}}"#, vec!["1"; 51].join(","));
        assert!(Ensure::parse(&params(&many)).is_err());
    }
}
