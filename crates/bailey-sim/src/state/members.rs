//! People joining and leaving servers.

use serde_json::json;

use super::State;
use super::feed::Sight;
use super::model::{Member, Role, User, intent};
use super::roles::MOST_ROLES;
use super::sessions::Dispatch;
use crate::clock::Snowflake;

/// People the simulator knows at most.
const MOST_PEOPLE: usize = 10_000;

impl State {
    /// The person of that name, made when nobody has it; `None` when the simulator is full.
    pub(crate) fn person_or_new(&mut self, name: &str) -> Option<Snowflake> {
        if let Some(user) = self.users.values().find(|user| user.name == name && !user.bot) {
            return Some(user.id);
        }
        if self.users.len() >= MOST_PEOPLE {
            return None;
        }
        let id = self.new_id();
        self.users.insert(id, User { id, name: name.to_owned(), bot: false, avatar: self.picture(id) });
        Some(id)
    }

    /// Lets a person into a server; false when they are in it already, or banned.
    pub(crate) fn join(&mut self, guild: Snowflake, person: Snowflake) -> bool {
        let now = self.clock.now_ms();
        let Some(entry) = self.guilds.get_mut(&guild) else { return false };
        if entry.members.contains_key(&person) || entry.bans.contains_key(&person) {
            return false;
        }
        let guild_name = entry.name.clone();
        entry.members.insert(person, Member::new(person, Vec::new(), now));
        let mut data = self.render_member(&Member::new(person, Vec::new(), now));
        if let Some(map) = data.as_object_mut() {
            map.insert("guild_id".to_owned(), json!(guild));
        }
        let intents = intent::GUILD_MEMBERS;
        self.dispatch(&Dispatch {
            event: "GUILD_MEMBER_ADD",
            guild: Some(guild),
            intents,
            data,
            strip: false,
        });
        let sight = Sight::MemberJoined { guild: guild_name, person: self.name_of(person) };
        self.feed.push(self.clock.steady_ms(), sight);
        true
    }

    /// Lets the bot into a server, with a role of its own for its permissions; where it is already, the role gets them.
    /// False when it is banned there.
    pub(crate) fn add_bot(&mut self, guild: Snowflake, permissions: u64) -> bool {
        let (now, bot, role_id) = (self.clock.now_ms(), self.application.id, self.new_id());
        let name = self.application.name.clone();
        let Some(entry) = self.guilds.get_mut(&guild).filter(|entry| !entry.bans.contains_key(&bot)) else {
            return false;
        };
        let there = entry.members.contains_key(&bot);
        let full = entry.roles.len() >= MOST_ROLES;
        let own = entry.roles.iter_mut().find(|role| role.bot == Some(bot));
        let role = match own {
            Some(role) => {
                role.permissions = permissions;
                Some(role.id)
            }
            // Without permissions Discord makes no role.
            None if permissions == 0 || full => None,
            None => {
                let others = entry.roles.iter_mut().filter(|role| role.id != guild);
                others.for_each(|role| role.position += 1);
                let mut role = Role::named(role_id, &name, permissions, 1);
                role.bot = Some(bot);
                entry.roles.push(role);
                Some(role_id)
            }
        };
        let member = entry.members.entry(bot).or_insert_with(|| Member::new(bot, Vec::new(), now));
        member.roles.extend(role.filter(|role| !member.roles.contains(role)));
        let guild_name = entry.name.clone();
        if there {
            if let Some(role) = role {
                self.tell_role_update(guild, role);
            }
            return true;
        }
        self.tell_guild_create(guild);
        let sight = Sight::MemberJoined { guild: guild_name, person: name };
        self.feed.push(self.clock.steady_ms(), sight);
        true
    }

    /// Lets a person leave a server; false when they are not in it.
    pub(crate) fn leave(&mut self, guild: Snowflake, person: Snowflake) -> bool {
        self.set_voice(guild, person, None);
        let Some(entry) = self.guilds.get_mut(&guild) else { return false };
        let guild_name = entry.name.clone();
        if entry.members.shift_remove(&person).is_none() {
            return false;
        }
        let data = json!({"guild_id": guild, "user": self.render_user(person)});
        let intents = intent::GUILD_MEMBERS;
        self.dispatch(&Dispatch {
            event: "GUILD_MEMBER_REMOVE",
            guild: Some(guild),
            intents,
            data,
            strip: false,
        });
        let sight = Sight::MemberLeft { guild: guild_name, person: self.name_of(person) };
        self.feed.push(self.clock.steady_ms(), sight);
        true
    }
}
