//! What the people of a server change about it: channels, roles, nicknames; and who is in voice. Whoever does it
//! may; the bot's audit log has only what the bot did.

use serde::{Deserialize, Serialize};

use super::{Control, Receipt, find};
use crate::clock::Snowflake;
use crate::error::ControlError;
use crate::state::State;
use crate::state::channels::ChannelDraft;
use crate::state::voice::Voice;
use crate::world::{ChannelKind, permission};

/// A change of a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Administer {
    /// Which server.
    #[serde(default)]
    pub guild: Option<String>,
    /// What is changed.
    pub change: Change,
}

/// What is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A channel is made: `text`, `voice`, `category` or `announcement`.
    MakeChannel {
        /// Its name.
        name: String,
        /// Its kind; text when left out.
        #[serde(default)]
        kind: Option<String>,
    },
    /// A channel gets another name.
    RenameChannel {
        /// Which.
        name: String,
        /// Its new name.
        to: String,
    },
    /// A channel is deleted.
    DeleteChannel {
        /// Which.
        name: String,
    },
    /// A role is made, with what everybody may do.
    MakeRole {
        /// Its name.
        name: String,
    },
    /// A role gets another name.
    RenameRole {
        /// Which.
        name: String,
        /// Its new name.
        to: String,
    },
    /// A role is deleted.
    DeleteRole {
        /// Which.
        name: String,
    },
    /// A member gets a role.
    GiveRole {
        /// Which.
        name: String,
        /// Who.
        to: String,
    },
    /// A member loses a role.
    TakeRole {
        /// Which.
        name: String,
        /// Who.
        from: String,
    },
    /// A member gets a nickname, or loses it.
    Nickname {
        /// Who.
        of: String,
        /// The nickname.
        to: Option<String>,
    },
}

/// Somebody comes into a voice channel, goes, or changes how they are in it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InVoice {
    /// Who.
    #[serde(rename = "as")]
    pub person: Option<String>,
    /// On which server.
    pub guild: Option<String>,
    /// In which voice channel; left out for none.
    pub channel: Option<String>,
    /// Whether they muted themselves.
    pub mute: bool,
    /// Whether they deafened themselves.
    pub deaf: bool,
    /// Whether they show their screen.
    pub stream: bool,
    /// Whether they show themselves.
    pub video: bool,
}

impl Control {
    /// Changes a server as its people do.
    ///
    /// # Errors
    /// When there is no such server, channel, role or member, or a name is empty or longer than 100 letters.
    pub fn administer(&self, administer: &Administer) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("administer", administer);
        self.act(|state, _| {
            let guild = find::guild(state, administer.guild.as_deref())?.id;
            change(state, guild, &administer.change)
        })
    }

    /// Moves somebody into a voice channel, or out.
    ///
    /// # Errors
    /// When there is no such member or channel, or people cannot talk in it.
    pub fn voice(&self, in_voice: &InVoice) -> Result<Receipt, ControlError> {
        self.shared.recorder.control("voice", in_voice);
        self.act(|state, receipt| {
            let guild = find::guild(state, in_voice.guild.as_deref())?;
            let person = find::member(state, guild, in_voice.person.as_deref(), false)?;
            let voice = match &in_voice.channel {
                None => None,
                Some(wanted) => {
                    let channel = find::channel(state, guild, Some(wanted))?;
                    if channel.kind != ChannelKind::Voice {
                        let text = format!("nobody can talk in `{}`", channel.name);
                        return Err(ControlError::new(text, "name a voice channel"));
                    }
                    Some(Voice {
                        channel: channel.id,
                        self_mute: in_voice.mute,
                        self_deaf: in_voice.deaf,
                        self_stream: in_voice.stream,
                        self_video: in_voice.video,
                    })
                }
            };
            receipt.user_id = Some(person);
            let guild = guild.id;
            state.set_voice(guild, person, voice);
            Ok(())
        })
    }
}

fn change(state: &mut State, guild_id: Snowflake, change: &Change) -> Result<(), ControlError> {
    let guild = find::guild(state, Some(&guild_id.to_string()))?;
    match change {
        Change::MakeChannel { name, kind } => {
            let kind = match kind.as_deref() {
                None | Some("text") => ChannelKind::Text,
                Some("voice") => ChannelKind::Voice,
                Some("category") => ChannelKind::Category,
                Some("announcement") => ChannelKind::Announcement,
                Some(other) => {
                    let text = format!("`{other}` is no kind of channel");
                    return Err(ControlError::new(text, "text, voice, category or announcement"));
                }
            };
            let draft = ChannelDraft { name: Some(named(name)?.to_owned()), ..ChannelDraft::default() };
            state.make_channel(guild_id, kind, draft).map(drop).map_err(|error| refused(&error))
        }
        Change::RenameChannel { name, to } => {
            let channel = find::channel(state, guild, Some(name))?.id;
            let draft = ChannelDraft { name: Some(named(to)?.to_owned()), ..ChannelDraft::default() };
            state.change_channel(channel, draft).map(drop).map_err(|error| refused(&error))
        }
        Change::DeleteChannel { name } => {
            let channel = find::channel(state, guild, Some(name))?.id;
            state.drop_channel(channel).map(drop).map_err(|error| refused(&error))
        }
        Change::MakeRole { name } => {
            let made = state.make_role(guild_id, named(name)?, permission::DEFAULT);
            made.map(drop)
                .ok_or_else(|| ControlError::new("a server has at most 250 roles", "delete one first"))
        }
        Change::RenameRole { name, to } => {
            let role = own_role(guild, name)?;
            state.rename_role(guild_id, role, named(to)?);
            Ok(())
        }
        Change::DeleteRole { name } => {
            let role = own_role(guild, name)?;
            state.delete_role(guild_id, role);
            Ok(())
        }
        Change::GiveRole { name, to } => {
            let (role, member) = (own_role(guild, name)?, find::member(state, guild, Some(to), true)?);
            state.change_member(guild_id, member, |member| {
                if !member.roles.contains(&role) {
                    member.roles.push(role);
                }
            });
            Ok(())
        }
        Change::TakeRole { name, from } => {
            let (role, member) = (own_role(guild, name)?, find::member(state, guild, Some(from), true)?);
            state.change_member(guild_id, member, |member| member.roles.retain(|held| *held != role));
            Ok(())
        }
        Change::Nickname { of, to } => {
            let member = find::member(state, guild, Some(of), true)?;
            state.change_member(guild_id, member, |member| {
                member.nick = to.clone().filter(|nick| !nick.is_empty());
            });
            Ok(())
        }
    }
}

/// A role people give and take: not everybody's, and no bot's.
fn own_role(guild: &crate::state::model::Guild, name: &str) -> Result<Snowflake, ControlError> {
    let id = find::role(guild, name)?;
    let known = guild.roles.iter().find(|role| role.id == id);
    if id == guild.id || known.is_some_and(|role| role.bot.is_some()) {
        let text = format!("the role `{name}` is not for people to change");
        return Err(ControlError::new(text, "name a role somebody made"));
    }
    Ok(id)
}

fn named(name: &str) -> Result<&str, ControlError> {
    if (1..=100).contains(&name.chars().count()) {
        Ok(name)
    } else {
        Err(ControlError::new("a name has 1 to 100 letters", "give another"))
    }
}

fn refused(error: &crate::error::ApiError) -> ControlError {
    ControlError::new(format!("Discord would refuse that: {error:?}"), "change something else")
}
