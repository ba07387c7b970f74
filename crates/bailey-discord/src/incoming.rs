//! Interactions that Discord sends by HTTP instead of the gateway: whether they are Discord's, and what they say.
//!
//! A request is Discord's when its Ed25519 signature over the time it names and the raw body fits the
//! application's public key; nothing is parsed before. Discord itself tries with wrong signatures now and then, and
//! takes an endpoint away that accepts one.

use std::fmt;
use std::str::FromStr;

use bailey_protocol::{Event, Timestamp, limits};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::directory::Directory;
use crate::normalise::{Before, Mark, Normalised, Surroundings, normalise};

/// Discord's number for the question whether somebody listens.
const PING: u64 = 1;

/// An application's public key, as the developer portal shows it: 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// A text that is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a public key has 64 hexadecimal digits; Discord's developer portal shows it under General Information"
)]
pub struct BadPublicKey;

impl FromStr for PublicKey {
    type Err = BadPublicKey;

    fn from_str(text: &str) -> Result<Self, BadPublicKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| BadPublicKey)?;
        VerifyingKey::from_bytes(&bytes).map(Self).map_err(|_| BadPublicKey)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", hex::encode(self.0.as_bytes()))
    }
}

/// Why a request is not taken for Discord's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDiscords {
    /// The signature is none, or does not fit.
    #[error("the signature does not fit")]
    Signature,
    /// It was signed too long ago, or in the future: perhaps somebody sends again what they overheard.
    #[error("the signature's time is not now")]
    Time,
}

impl PublicKey {
    /// Whether a request is Discord's, by its headers `X-Signature-Ed25519` and `X-Signature-Timestamp` and its raw
    /// body.
    ///
    /// # Errors
    /// [`NotDiscords`].
    pub fn verify(
        &self,
        signature: &str,
        timestamp: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), NotDiscords> {
        let mut bytes = [0; Signature::BYTE_SIZE];
        hex::decode_to_slice(signature, &mut bytes).map_err(|_| NotDiscords::Signature)?;
        let signed = [timestamp.as_bytes(), body].concat();
        self.0.verify_strict(&signed, &Signature::from_bytes(&bytes)).map_err(|_| NotDiscords::Signature)?;
        let seconds: u64 = timestamp.parse().map_err(|_| NotDiscords::Time)?;
        let now = now.0.unsigned_abs() / 1000;
        if now.abs_diff(seconds) > limits::INTERACTION_SIGNATURE_AGE.as_secs() {
            return Err(NotDiscords::Time);
        }
        Ok(())
    }
}

/// What a verified request says.
#[derive(Debug)]
pub enum Incoming {
    /// Is somebody there? It wants `{"type": 1}`.
    Ping,
    /// Somebody did something on a server.
    Interaction(Box<Event>),
    /// Nothing plugins are told, such as a command in a private conversation.
    Nothing,
}

/// Reads the body of a verified request, as the gateway's INTERACTION_CREATE is read.
///
/// # Errors
/// When it has not the shape Discord documents.
pub fn read_incoming(
    body: &[u8],
    directory: &Directory,
    received_at: Timestamp,
) -> Result<Incoming, serde_json::Error> {
    #[derive(Deserialize)]
    struct Kind {
        r#type: u64,
    }
    if serde_json::from_slice::<Kind>(body)?.r#type == PING {
        return Ok(Incoming::Ping);
    }
    let data: &RawValue = serde_json::from_slice(body)?;
    // An interaction has an id of its own, so its place in a stream does not matter.
    let surroundings =
        Surroundings { directory, before: &Before::default(), mark: Mark::new("", 0), received_at };
    Ok(match normalise("INTERACTION_CREATE", data, surroundings)? {
        Normalised::Events(mut events) => match events.pop() {
            Some(event) => Incoming::Interaction(Box::new(event)),
            None => Incoming::Nothing,
        },
        Normalised::Skipped(_) => Incoming::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_767_225_600_123);

    fn signed(key: &SigningKey, timestamp: &str, body: &str) -> String {
        hex::encode(key.sign(format!("{timestamp}{body}").as_bytes()).to_bytes())
    }

    #[test]
    fn only_what_discord_signed_now_is_discords() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public: PublicKey = hex::encode(key.verifying_key().as_bytes()).parse().unwrap();
        let check = |signature: &str, timestamp: &str, body: &str| {
            public.verify(signature, timestamp, body.as_bytes(), NOW)
        };
        let time = "1767225600";
        let good = signed(&key, time, "{}");
        assert_eq!(check(&good, time, "{}"), Ok(()));
        assert_eq!(check(&good, time, "{ }"), Err(NotDiscords::Signature));
        assert_eq!(check(&good, "1767225601", "{}"), Err(NotDiscords::Signature));
        assert_eq!(check("", time, "{}"), Err(NotDiscords::Signature));
        assert_eq!(check(&"0".repeat(128), time, "{}"), Err(NotDiscords::Signature));
        assert_eq!(
            check(&signed(&SigningKey::from_bytes(&[8; 32]), time, "{}"), time, "{}"),
            Err(NotDiscords::Signature)
        );
        for other in ["1767225000", "1767226300", "soon", "-1", ""] {
            assert_eq!(check(&signed(&key, other, "{}"), other, "{}"), Err(NotDiscords::Time), "{other}");
        }
    }

    #[test]
    fn public_keys_are_as_the_portal_shows_them() {
        assert!("".parse::<PublicKey>().is_err());
        assert!("zz".repeat(32).parse::<PublicKey>().is_err());
        assert!("ab".repeat(33).parse::<PublicKey>().is_err());
    }

    #[test]
    fn a_body_is_read_as_the_gateway_would() {
        let directory = Directory::new();
        let read = |body: serde_json::Value| read_incoming(body.to_string().as_bytes(), &directory, NOW);
        assert!(matches!(read(json!({"type": 1})).unwrap(), Incoming::Ping));
        let used = json!({"id": "5", "application_id": "6", "type": 2, "token": "t", "guild_id": "7",
                          "data": {"name": "greet"}});
        let Incoming::Interaction(event) = read(used).unwrap() else { panic!("no interaction") };
        assert_eq!((event.id.as_str(), &event.payload["command_name"]), ("interaction-5", &json!("greet")));
        let private =
            json!({"id": "5", "application_id": "6", "type": 2, "token": "t", "data": {"name": "greet"}});
        assert!(matches!(read(private).unwrap(), Incoming::Nothing));
        assert!(read(json!({"type": 2})).is_err());
        assert!(read(json!([])).is_err());
    }
}
