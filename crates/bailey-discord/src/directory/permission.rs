//! Discord's permissions by name, and how roles and overwrites make up what somebody may do. Pure
//! computation: what is known of a server is [`super::Directory`]'s business.

use std::cmp::Reverse;

use std::sync::Arc;

use bailey_protocol::{RoleId, UserId};
use serde::{Deserialize, Serialize};

macro_rules! permissions {
    ($($variant:ident = $bit:literal $name:literal,)*) => {
        /// A permission that an action needs, as Discord defines it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Permission {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Permission {
            /// Every permission named here.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its bit.
            pub const fn bit(self) -> u64 {
                match self { $(Self::$variant => 1 << $bit,)* }
            }

            /// Its name as plugins read it, lower case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

permissions! {
    KickMembers = 1 "kick_members",
    BanMembers = 2 "ban_members",
    Administrator = 3 "administrator",
    ManageChannels = 4 "manage_channels",
    ManageGuild = 5 "manage_guild",
    AddReactions = 6 "add_reactions",
    ViewAuditLog = 7 "view_audit_log",
    PrioritySpeaker = 8 "priority_speaker",
    Stream = 9 "stream",
    ViewChannel = 10 "view_channel",
    SendMessages = 11 "send_messages",
    SendTtsMessages = 12 "send_tts_messages",
    ManageMessages = 13 "manage_messages",
    EmbedLinks = 14 "embed_links",
    AttachFiles = 15 "attach_files",
    ReadMessageHistory = 16 "read_message_history",
    MentionEveryone = 17 "mention_everyone",
    UseExternalEmojis = 18 "use_external_emojis",
    Connect = 20 "connect",
    Speak = 21 "speak",
    MuteMembers = 22 "mute_members",
    DeafenMembers = 23 "deafen_members",
    MoveMembers = 24 "move_members",
    ChangeNickname = 26 "change_nickname",
    ManageNicknames = 27 "manage_nicknames",
    ManageRoles = 28 "manage_roles",
    ManageWebhooks = 29 "manage_webhooks",
    ManageThreads = 34 "manage_threads",
    CreatePublicThreads = 35 "create_public_threads",
    CreatePrivateThreads = 36 "create_private_threads",
    SendMessagesInThreads = 38 "send_messages_in_threads",
    ModerateMembers = 40 "moderate_members",
    PinMessages = 51 "pin_messages",
}

/// Every permission Discord defines today.
pub(crate) const EVERYTHING: u64 = (1 << 53) - 1;
/// What nobody can use who may not write.
const NEEDS_SENDING: u64 = Permission::SendTtsMessages.bit()
    | Permission::EmbedLinks.bit()
    | Permission::AttachFiles.bit()
    | Permission::MentionEveryone.bit();
/// What a member in a timeout keeps.
const KEPT_IN_TIMEOUT: u64 = Permission::ViewChannel.bit() | Permission::ReadMessageHistory.bit();

/// What a set of permission bits allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions(pub u64);

impl Permissions {
    /// Whether it holds `permission`.
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }
}

/// A role of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: Arc<str>,
    /// Its colour, as `0xRRGGBB`.
    pub color: u32,
    /// Whether everybody can ping it.
    pub mentionable: bool,
    /// Discord's permission bits.
    pub permissions: u64,
    /// Higher stands above lower.
    pub position: i64,
    /// Whether an integration owns it: nobody can give or take it.
    pub managed: bool,
}

/// Whom an overwrite is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverwriteTarget {
    /// Everybody with a role; the server's own id means everybody.
    Role(RoleId),
    /// One member.
    Member(UserId),
}

/// What a channel adds or takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overwrite {
    /// For whom.
    pub target: OverwriteTarget,
    /// Bits added.
    pub allow: u64,
    /// Bits taken away.
    pub deny: u64,
}

/// Where a role stands: by position, and of two at the same position the older above.
pub(crate) fn rank(id: RoleId, role: &Role) -> (i64, Reverse<RoleId>) {
    (role.position, Reverse(id))
}

/// What roles add up to; an administrator's are all.
pub(crate) fn of_roles(everyone: u64, roles: impl Iterator<Item = u64>) -> u64 {
    let all = roles.fold(everyone, |all, bits| all | bits);
    if all & Permission::Administrator.bit() != 0 { EVERYTHING } else { all }
}

/// What is left of `base` in a channel: the overwrite for everybody first, then those of the member's
/// roles together, then the member's own. Without sight of the channel nothing is left, without the
/// right to write nothing that needs writing.
pub(crate) fn in_channel(
    base: u64,
    everyone: RoleId,
    user: UserId,
    roles: &[RoleId],
    overwrites: &[Overwrite],
) -> u64 {
    if base & Permission::Administrator.bit() != 0 {
        return EVERYTHING;
    }
    let apply = |bits: u64, concerns: &dyn Fn(&OverwriteTarget) -> bool| {
        let (allow, deny) = overwrites
            .iter()
            .filter(|overwrite| concerns(&overwrite.target))
            .fold((0, 0), |(allow, deny), overwrite| (allow | overwrite.allow, deny | overwrite.deny));
        (bits & !deny) | allow
    };
    let bits = apply(base, &|target| *target == OverwriteTarget::Role(everyone));
    let by_role = |target: &OverwriteTarget| match target {
        OverwriteTarget::Role(role) => *role != everyone && roles.contains(role),
        OverwriteTarget::Member(_) => false,
    };
    let bits = apply(bits, &by_role);
    let bits = apply(bits, &|target| *target == OverwriteTarget::Member(user));
    if bits & Permission::ViewChannel.bit() == 0 {
        0
    } else if bits & Permission::SendMessages.bit() == 0 {
        bits & !NEEDS_SENDING
    } else {
        bits
    }
}

/// What a timeout leaves of `bits`. Administrators cannot be in one.
pub(crate) fn timed_out(bits: u64) -> u64 {
    if bits & Permission::Administrator.bit() != 0 { bits } else { bits & KEPT_IN_TIMEOUT }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twilight_model::channel::ChannelType;
    use twilight_model::channel::permission_overwrite::{PermissionOverwrite, PermissionOverwriteType};
    use twilight_model::guild::Permissions as Theirs;
    use twilight_model::id::Id;
    use twilight_util::permission_calculator::PermissionCalculator;

    use super::*;

    const EVERYONE: RoleId = RoleId(1);
    const ME: UserId = UserId(50);

    #[test]
    fn names_and_bits_are_discords() {
        for permission in Permission::ALL {
            let theirs = Theirs::from_bits(permission.bit()).unwrap();
            let name = theirs.iter_names().next().unwrap().0.to_lowercase();
            assert_eq!(name, permission.as_str());
        }
    }

    #[test]
    fn of_two_roles_at_one_position_the_older_stands_above() {
        let role = |position| Role { position, ..Role::default() };
        assert!(rank(RoleId(5), &role(2)) > rank(RoleId(4), &role(1)));
        assert!(rank(RoleId(4), &role(1)) > rank(RoleId(5), &role(1)));
    }

    #[test]
    fn a_timeout_leaves_only_reading_except_to_administrators() {
        assert_eq!(timed_out(EVERYTHING & !Permission::Administrator.bit()), KEPT_IN_TIMEOUT);
        assert_eq!(timed_out(EVERYTHING), EVERYTHING);
    }

    #[test]
    fn who_may_not_see_a_channel_can_do_nothing_there() {
        let base = EVERYTHING & !Permission::Administrator.bit();
        let deny = |permission: Permission| {
            [Overwrite { target: OverwriteTarget::Role(EVERYONE), allow: 0, deny: permission.bit() }]
        };
        assert_eq!(in_channel(base, EVERYONE, ME, &[], &deny(Permission::ViewChannel)), 0);
        let silent = Permissions(in_channel(base, EVERYONE, ME, &[], &deny(Permission::SendMessages)));
        assert!(!silent.contains(Permission::AttachFiles) && silent.contains(Permission::AddReactions));
    }

    fn bits() -> impl Strategy<Value = u64> {
        // Few administrators and many conflicts about the bits that decide about others.
        (0..=EVERYTHING, 0..20_u8).prop_map(|(bits, chance)| {
            if chance == 0 { bits } else { bits & !Permission::Administrator.bit() }
        })
    }

    fn overwrites() -> impl Strategy<Value = Vec<Overwrite>> {
        let target = prop_oneof![
            (1..6_u64).prop_map(|id| OverwriteTarget::Role(RoleId(id))),
            (49..52_u64).prop_map(|id| OverwriteTarget::Member(UserId(id))),
        ];
        let one = (target, bits(), bits()).prop_map(|(target, allow, deny)| Overwrite {
            target,
            allow,
            deny: deny & !allow,
        });
        // Discord keeps one overwrite for each target.
        proptest::collection::vec(one, 0..6).prop_map(|mut all| {
            let mut seen = Vec::new();
            all.retain(|overwrite| {
                let new = !seen.contains(&overwrite.target);
                seen.push(overwrite.target);
                new
            });
            all
        })
    }

    fn theirs(everyone: u64, roles: &[(RoleId, u64)], overwrites: &[Overwrite]) -> (u64, u64) {
        let roles: Vec<_> =
            roles.iter().map(|(id, bits)| (Id::new(id.0), Theirs::from_bits_truncate(*bits))).collect();
        let overwrites: Vec<_> = overwrites
            .iter()
            .map(|overwrite| {
                let (id, kind) = match overwrite.target {
                    OverwriteTarget::Role(id) => (id.0, PermissionOverwriteType::Role),
                    OverwriteTarget::Member(id) => (id.0, PermissionOverwriteType::Member),
                };
                let bits = Theirs::from_bits_truncate;
                PermissionOverwrite {
                    allow: bits(overwrite.allow),
                    deny: bits(overwrite.deny),
                    id: Id::new(id),
                    kind,
                }
            })
            .collect();
        let everyone = Theirs::from_bits_truncate(everyone);
        let calculator = PermissionCalculator::new(Id::new(EVERYONE.0), Id::new(ME.0), everyone, &roles);
        let root = calculator.root().bits();
        // A category: of other kinds the calculator takes away what it thinks has no place there.
        (root, calculator.in_channel(ChannelType::GuildCategory, &overwrites).bits())
    }

    proptest! {
        #[test]
        fn it_comes_to_what_another_calculator_says(
            everyone in bits(),
            roles in proptest::collection::btree_map(2..6_u64, bits(), 0..4),
            overwrites in overwrites(),
        ) {
            let roles: Vec<_> = roles.into_iter().map(|(id, bits)| (RoleId(id), bits)).collect();
            let ids: Vec<_> = roles.iter().map(|(id, _)| *id).collect();
            let known = Theirs::all().bits();
            let (root, there) = theirs(everyone, &roles, &overwrites);
            let base = of_roles(everyone, roles.iter().map(|(_, bits)| *bits));
            prop_assert_eq!(base & known, root);
            let here = in_channel(base, EVERYONE, ME, &ids, &overwrites);
            let view = Permission::ViewChannel.bit();
            prop_assert_eq!(here & view, there & view);
            if here & view != 0 {
                // Theirs leaves out what only counts server-wide, and does not follow a denial of
                // writing that is meant for everybody.
                let server_wide = [1, 2, 3, 5, 7, 19, 26, 27, 30].iter().fold(0_u64, |all, bit| all | 1 << bit);
                let compared = if base == EVERYTHING { known } else { known & !server_wide };
                let unsure = if here & Permission::SendMessages.bit() == 0 { NEEDS_SENDING } else { 0 };
                prop_assert_eq!(here & compared & !unsure, there & compared & !unsure);
                prop_assert_eq!(here & unsure, 0);
            }
        }
    }
}
