//! Carries events from the gateway to the router, in order per server.
//!
//! In process and bounded: a full partition makes the publisher wait. A server always falls into
//! the same partition and a partition has one reader, which is what keeps the order. A bus between
//! machines would be a second type with the same two verbs, publish and next.

use std::sync::Arc;

use bailey_protocol::{Event, GuildId};
use tokio::sync::mpsc;

use crate::quiet::{Busy, Quiet};

/// The publishing end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    partitions: Arc<[mpsc::Sender<Taken>]>,
    quiet: Quiet,
}

/// The reading end of one partition.
#[derive(Debug)]
pub struct Partition(mpsc::Receiver<Taken>);

/// An event taken from the bus; it counts as work in hand until dropped.
#[derive(Debug)]
pub struct Taken {
    /// What happened.
    pub event: Event,
    /// Holds the host un-quiet.
    pub busy: Busy,
}

/// The readers are gone: the host is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event was not taken in: the host is shutting down")]
pub struct BusClosed;

impl Bus {
    /// A bus of `partitions` (at least 1), each holding at most `capacity` events (at least 1).
    pub fn new(partitions: usize, capacity: usize, quiet: Quiet) -> (Self, Vec<Partition>) {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..partitions.max(1)).map(|_| mpsc::channel(capacity.max(1))).unzip();
        (Self { partitions: senders.into(), quiet }, receivers.into_iter().map(Partition).collect())
    }

    /// Hands an event over, waiting while its partition is full.
    ///
    /// # Errors
    /// [`BusClosed`] when nobody reads any more.
    pub async fn publish(&self, event: Event) -> Result<(), BusClosed> {
        let partition = partition_of(event.guild, self.partitions.len());
        let taken = Taken { event, busy: self.quiet.hold() };
        self.partitions[partition].send(taken).await.map_err(|_| BusClosed)
    }
}

impl Partition {
    /// The next event; `None` once the bus is closed and empty.
    pub async fn next(&mut self) -> Option<Taken> {
        self.0.recv().await
    }

    /// Takes nothing new in; what is there can still be read.
    pub fn close(&mut self) {
        self.0.close();
    }
}

/// Snowflakes of servers made at the same time share their high bits and often their low ones, so
/// they are mixed before the remainder is taken.
fn partition_of(guild: GuildId, partitions: usize) -> usize {
    let mixed = guild.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (mixed % partitions as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;

    #[tokio::test]
    async fn a_server_keeps_its_partition_and_its_order() {
        let (bus, mut partitions) = Bus::new(4, 100, Quiet::default());
        for number in 0..50 {
            bus.publish(message(7, &format!("e{number}"))).await.unwrap();
        }
        let home = partition_of(GuildId(7), 4);
        for number in 0..50 {
            let taken = partitions[home].next().await.unwrap();
            assert_eq!(taken.event.id.as_str(), format!("e{number}"));
        }
    }

    #[tokio::test]
    async fn a_full_partition_makes_the_publisher_wait() {
        let quiet = Quiet::default();
        let (bus, mut partitions) = Bus::new(1, 1, quiet.clone());
        bus.publish(message(7, "e1")).await.unwrap();
        let second = bus.publish(message(7, "e2"));
        tokio::pin!(second);
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert_eq!(partitions[0].next().await.unwrap().event.id.as_str(), "e1");
        second.await.unwrap();
        assert_eq!(quiet.in_hand(), 1);
    }

    #[test]
    fn servers_spread_over_partitions() {
        let mut counts = [0_u32; 8];
        for number in 0..8000_u64 {
            counts[partition_of(GuildId(1_000_000_000_000_000_000 + (number << 22)), 8)] += 1;
        }
        assert!(counts.iter().all(|count| (500..1500).contains(count)), "{counts:?}");
    }
}
