//! Members: timeouts, nicknames, kicks, bans and roles; one at a time or many at once.

use serde::Serialize;

use super::{clamped, cut};
use crate::error::CallError;
use crate::id::{RoleId, UserId};
use crate::limits;
use crate::params::Params;

/// Why, for the server's audit log; at most 512 characters.
fn reason(params: &Params) -> Result<String, CallError> {
    Ok(cut(&params.text_or_empty("reason")?, limits::AUDIT_REASON_CHARACTERS))
}

fn timeout_seconds(params: &Params) -> Result<u64, CallError> {
    clamped(params, "duration_seconds", 0, 0, limits::TIMEOUT_SECONDS)
}

/// Parameters of `discord.timeout_member`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeoutMember {
    /// Whom.
    pub user: UserId,
    /// How long, at most 28 days; 0 ends it.
    pub seconds: u64,
    /// Why.
    pub reason: String,
}

impl TimeoutMember {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id or number.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { user: params.id("user_id")?, seconds: timeout_seconds(params)?, reason: reason(params)? })
    }
}

/// Parameters of `discord.set_nickname`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetNickname {
    /// Whose.
    pub user: UserId,
    /// At most 32 characters; `None` goes back to the user's own name.
    pub nickname: Option<String>,
}

impl SetNickname {
    /// Reads the parameters; `null` and an empty text both mean none.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id or a nickname that is no text.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let nickname = params.optional_text("nickname")?.filter(|text| !text.is_empty());
        Ok(Self {
            user: params.id("user_id")?,
            nickname: nickname.map(|text| cut(&text, limits::NICKNAME_CHARACTERS)),
        })
    }
}

/// Parameters of `discord.kick_member`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KickMember {
    /// Whom.
    pub user: UserId,
    /// Why.
    pub reason: String,
}

impl KickMember {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { user: params.id("user_id")?, reason: reason(params)? })
    }
}

/// Parameters of `discord.ban_member`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanMember {
    /// Whom, member or not.
    pub user: UserId,
    /// Why.
    pub reason: String,
    /// Messages of this many last seconds go too, at most 7 days.
    pub delete_message_seconds: u64,
}

impl BanMember {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id or number.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let most = limits::BAN_DELETE_SECONDS;
        Ok(Self {
            user: params.id("user_id")?,
            reason: reason(params)?,
            delete_message_seconds: clamped(params, "delete_message_seconds", 0, 0, most)?,
        })
    }
}

/// Parameters of `discord.unban_member`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnbanMember {
    /// Whom.
    pub user: UserId,
    /// Why.
    pub reason: String,
}

impl UnbanMember {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { user: params.id("user_id")?, reason: reason(params)? })
    }
}

/// Parameters of `discord.add_role` and `discord.remove_role`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRole {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub role: RoleId,
    /// Why.
    pub reason: String,
}

impl ChangeRole {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad id.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { user: params.id("user_id")?, role: params.id("role_id")?, reason: reason(params)? })
    }
}

/// Whom a bulk call is for, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkMembers {
    /// Each once; of more than 25 the first.
    pub users: Vec<UserId>,
    /// Why.
    pub reason: String,
}

impl BulkMembers {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a list that is none, or holds what is no id.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let mut users: Vec<UserId> = params.required("user_ids", "a list of user ids")?;
        users.truncate(limits::BULK_USERS);
        let mut seen = std::collections::HashSet::new();
        users.retain(|user| seen.insert(*user));
        Ok(Self { users, reason: reason(params)? })
    }
}

/// Parameters of `discord.add_role_bulk` and `discord.remove_role_bulk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRole {
    /// Whose.
    pub members: BulkMembers,
    /// Which.
    pub role: RoleId,
}

impl BulkRole {
    /// Reads the parameters.
    ///
    /// # Errors
    /// As [`BulkMembers::parse`], and for a bad role.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { members: BulkMembers::parse(params)?, role: params.id("role_id")? })
    }
}

/// Parameters of `discord.timeout_bulk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkTimeout {
    /// Whom.
    pub members: BulkMembers,
    /// How long, at most 28 days; 0 ends it.
    pub seconds: u64,
}

impl BulkTimeout {
    /// Reads the parameters.
    ///
    /// # Errors
    /// As [`BulkMembers::parse`], and for a bad number.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { members: BulkMembers::parse(params)?, seconds: timeout_seconds(params)? })
    }
}

/// Why one of many did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BulkFailure {
    /// Whom it was meant for.
    pub user_id: UserId,
    /// The message the single call would have failed with.
    pub error: String,
}

/// Result of a bulk call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BulkResult {
    /// How many succeeded.
    pub success: usize,
    /// How many did not.
    pub failed: usize,
    /// Those that did not, in the order given.
    pub errors: Vec<BulkFailure>,
}

impl BulkResult {
    /// Counts the outcome for one user.
    pub fn count<T>(&mut self, user: UserId, outcome: Result<T, CallError>) {
        match outcome {
            Ok(_) => self.success += 1,
            Err(error) => {
                self.failed += 1;
                self.errors.push(BulkFailure { user_id: user, error: error.to_string() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::params;
    use super::*;

    #[test]
    fn numbers_are_brought_into_discords_ranges() {
        let seconds = |given| {
            TimeoutMember::parse(&params(json!({"user_id": 1, "duration_seconds": given}))).unwrap().seconds
        };
        assert_eq!([seconds(json!(-5)), seconds(json!(90)), seconds(json!(1e12))], [0, 90, 2_419_200]);
        let ban = BanMember::parse(&params(json!({"user_id": "1", "delete_message_seconds": 999_999_999})));
        assert_eq!(ban.unwrap().delete_message_seconds, 604_800);
    }

    #[test]
    fn no_nickname_is_a_reset() {
        for none in [json!(null), json!("")] {
            let set = SetNickname::parse(&params(json!({"user_id": 1, "nickname": none}))).unwrap();
            assert_eq!(set.nickname, None);
        }
    }

    #[test]
    fn many_are_cut_to_twenty_five_and_counted_once() {
        let ids: Vec<u64> = (1..=40).collect();
        assert_eq!(BulkMembers::parse(&params(json!({"user_ids": ids}))).unwrap().users.len(), 25);
        assert_eq!(BulkMembers::parse(&params(json!({"user_ids": ["3", 3]}))).unwrap().users.len(), 1);
        assert!(BulkMembers::parse(&params(json!({"user_ids": ["x"]}))).is_err());
    }
}
