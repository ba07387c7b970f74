//! Roles made, changed and deleted.

use bailey_protocol::{EventKind, GuildId, RoleId};
use serde::Deserialize;

use super::wire::Role;
use super::{Normalised, Payload, Surroundings, one, read};

#[derive(Deserialize)]
struct Change<'a> {
    guild_id: GuildId,
    #[serde(borrow)]
    role: Role<'a>,
}

#[derive(Deserialize)]
struct Deletion {
    guild_id: GuildId,
    role_id: RoleId,
}

pub(super) fn changed(
    text: &str,
    kind: EventKind,
    at: Surroundings<'_>,
) -> Result<Normalised, serde_json::Error> {
    let change: Change<'_> = read(text)?;
    let role = change.role.known();
    let mut payload = described(kind, change.guild_id, change.role.id, &role);
    if kind == EventKind::RoleUpdate {
        let before = at.before.role.as_ref().map(|before| before.name.to_string());
        payload.put("before_name", before);
    }
    // The same role can change many times.
    let id = format!("{kind}-{}-{}", change.role.id, at.mark);
    one(payload.into_event(id, kind, change.guild_id, at.received_at))
}

/// Discord says no more than which; the rest is what was known of it.
pub(super) fn deleted(text: &str, at: Surroundings<'_>) -> Result<Normalised, serde_json::Error> {
    let deletion: Deletion = read(text)?;
    let kind = EventKind::RoleDelete;
    let known = at.before.role.clone().unwrap_or_default();
    let payload = described(kind, deletion.guild_id, deletion.role_id, &known);
    let id = format!("{kind}-{}-{}", deletion.role_id, at.mark);
    one(payload.into_event(id, kind, deletion.guild_id, at.received_at))
}

fn described(kind: EventKind, guild: GuildId, id: RoleId, role: &crate::directory::Role) -> Payload {
    let mut payload = Payload::new(kind, guild);
    payload.put_all(&["role_id", "id"], id.to_string());
    payload.put("name", &*role.name);
    payload.put("color", role.color);
    payload.put("position", role.position);
    payload.put("permissions", role.permissions.to_string());
    payload.put("managed", role.managed);
    payload.put("mentionable", role.mentionable);
    payload
}
