//! Who is in which voice channel.

use serde_json::{Value, json};

use super::State;
use super::model::intent;
use super::sessions::Dispatch;
use crate::clock::Snowflake;

/// Somebody in a voice channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Voice {
    pub(crate) channel: Snowflake,
    pub(crate) self_mute: bool,
    pub(crate) self_deaf: bool,
    pub(crate) self_stream: bool,
    pub(crate) self_video: bool,
}

impl State {
    /// Moves somebody into a voice channel, or out of all (`None`), and tells who listens.
    pub(crate) fn set_voice(&mut self, guild: Snowflake, person: Snowflake, voice: Option<Voice>) {
        let session = format!("{:032x}", person.0);
        let Some(entry) = self.guilds.get_mut(&guild) else { return };
        let before = match &voice {
            Some(voice) => entry.voice.insert(person, voice.clone()),
            None => entry.voice.shift_remove(&person),
        };
        if before == voice {
            return;
        }
        let mut data = state(person, voice.as_ref(), &session);
        if let (Some(map), Some(entry)) = (data.as_object_mut(), self.guilds.get(&guild)) {
            map.insert("guild_id".to_owned(), json!(guild));
            if let Some(member) = entry.members.get(&person) {
                map.insert("member".to_owned(), self.render_member(member));
            }
        }
        self.dispatch(&Dispatch {
            event: "VOICE_STATE_UPDATE",
            guild: Some(guild),
            intents: intent::GUILD_VOICE_STATES,
            data,
            strip: false,
        });
    }
}

/// A voice state as Discord writes it; nobody is in a channel when there is none.
pub(super) fn state(person: Snowflake, voice: Option<&Voice>, session: &str) -> Value {
    let is = |flag: fn(&Voice) -> bool| voice.is_some_and(flag);
    json!({
        "user_id": person, "channel_id": voice.map(|voice| voice.channel), "session_id": session, "deaf": false,
        "mute": false, "suppress": false, "request_to_speak_timestamp": null,
        "self_mute": is(|voice| voice.self_mute), "self_deaf": is(|voice| voice.self_deaf),
        "self_stream": is(|voice| voice.self_stream), "self_video": is(|voice| voice.self_video),
    })
}
