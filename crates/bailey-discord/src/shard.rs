//! Which server lives on which of a bot's shards, how many shards there are to be, and how many sessions may be begun.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bailey_protocol::GuildId;
pub use twilight_gateway::ShardId;

/// Bits of a server's id below those that decide its shard.
const BELOW_SHARD: u32 = 22;

/// Whether a server lives on this shard, by Discord's rule.
pub fn is_on(guild: GuildId, shard: ShardId) -> bool {
    (guild.0 >> BELOW_SHARD) % u64::from(shard.total()) == u64::from(shard.number())
}

/// How a bot is to be spread over connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPlan {
    /// How many shards there are.
    pub shards: NonZeroU32,
    /// What Discord lets them begin.
    pub starts: SessionStarts,
}

/// How many sessions a bot may begin, and how fast. Those that go on do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStarts {
    /// In all, from one reset to the next: usually 1,000 a day.
    pub total: u32,
    /// Until the next reset.
    pub remaining: u32,
    /// Until then.
    pub reset_after: Duration,
    /// So many buckets of shards (a shard's number modulo this); each lets one begin in five seconds.
    pub max_concurrency: NonZeroU16,
}

/// Discord does not let the bot begin as many sessions as it needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{needed} new sessions with Discord are needed, one for each shard that cannot go on with its last one, and \
     Discord lets the bot begin {} more until its limit of {} is reset in {} minutes; hint: start Bailey again then. Is \
     something starting it over and over, or does another program use the bot's token?",
    .starts.remaining, .starts.total, .starts.reset_after.as_secs().div_ceil(60)
)]
pub struct TooFewStarts {
    /// How many are needed.
    pub needed: u32,
    /// How many there are.
    pub starts: SessionStarts,
}

impl ShardPlan {
    /// Most shards there are; a number above it is a mistake.
    pub const MOST: u32 = 4096;

    /// The shards, by their numbers.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        let total = self.shards.get();
        (0..total).map(move |number| ShardId::new(number, total))
    }

    /// Looks whether so many new sessions may be begun.
    ///
    /// # Errors
    /// When Discord would refuse some of them until its limit is reset.
    pub fn affords(&self, needed: u32) -> Result<(), TooFewStarts> {
        if needed <= self.starts.remaining {
            return Ok(());
        }
        Err(TooFewStarts { needed, starts: self.starts.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_lives_on_the_shard_discord_says() {
        let guild = GuildId(1_191_168_914_248_171_520);
        let homes = |total| (0..total).filter(move |number| is_on(guild, ShardId::new(*number, total)));
        assert_eq!(homes(1).collect::<Vec<_>>(), [0]);
        let expected = u32::try_from((guild.0 >> 22) % 7).unwrap();
        assert_eq!(homes(7).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn too_few_sessions_are_said_with_what_to_do() {
        let starts = SessionStarts {
            total: 1000,
            remaining: 3,
            reset_after: Duration::from_secs(3601),
            max_concurrency: NonZeroU16::MIN,
        };
        let plan = ShardPlan { shards: NonZeroU32::new(4).unwrap(), starts };
        assert!(plan.affords(3).is_ok());
        let said = plan.affords(4).unwrap_err().to_string();
        assert!(said.starts_with("4 new sessions") && said.contains("3 more"), "{said}");
        assert!(said.contains("in 61 minutes; hint: start Bailey again then"), "{said}");
    }
}
