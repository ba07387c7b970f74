//! What is known of the servers as bytes, so that another process can go on with it: Discord does not say it again to
//! whoever resumes a session. Each shard keeps its own servers: they go with how far that shard has learned.

use std::io;
use std::sync::atomic::Ordering;

use bailey_protocol::GuildId;

use super::{Directory, Known};
use crate::shard::{ShardId, is_on};

/// Level of compression: quick.
const LEVEL: i32 = 1;

impl Directory {
    /// The same servers; its revision counts what is changed through this one alone.
    pub(crate) fn apart(&self) -> Self {
        Self { known: self.known.clone(), revision: Default::default() }
    }

    /// The servers that live on a shard, ascending.
    pub(crate) fn guilds_on(&self, shard: ShardId) -> Vec<GuildId> {
        self.guilds().into_iter().filter(|guild| is_on(*guild, shard)).collect()
    }

    /// A copy of the servers of one shard that changes no more. Looks at all servers for them.
    pub fn part(&self, shard: ShardId) -> Self {
        let part = self.read(|known| {
            let guilds = known.guilds.iter().filter(|(guild, _)| is_on(**guild, shard));
            let mut part = Known { own_user: known.own_user, ..Known::default() };
            for (guild, record) in guilds {
                let channels = record.channels.iter().chain(&record.threads);
                let known = channels.filter_map(|id| Some((*id, known.channels.get(id)?.clone())));
                part.channels.extend(known);
                part.guilds.insert(*guild, record.clone());
            }
            part
        });
        Self { known: std::sync::Arc::new(part.into()), revision: Default::default() }
    }

    /// A number that grows with each change made through this one and its clones.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    /// All of it, compressed. Takes a moment for a bot that is in thousands of servers.
    ///
    /// # Errors
    /// When it cannot be written as JSON or compressed, which is a bug.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
        self.read(|known| serde_json::to_writer(&mut encoder, known))?;
        encoder.finish()
    }

    /// Takes over the servers of one shard from what [`Directory::to_bytes`] wrote; others in there are left out.
    ///
    /// # Errors
    /// When another version of Bailey wrote it, or somebody else.
    pub fn restore(&self, bytes: &[u8], shard: ShardId) -> io::Result<()> {
        let kept: Known =
            serde_json::from_reader(io::BufReader::new(zstd::stream::read::Decoder::new(bytes)?))?;
        self.write(|known| {
            known.own_user = kept.own_user.or(known.own_user);
            known.guilds.extend(kept.guilds.into_iter().filter(|(guild, _)| is_on(*guild, shard)));
            known
                .channels
                .extend(kept.channels.into_iter().filter(|(_, channel)| is_on(channel.guild, shard)));
        });
        Ok(())
    }
}
