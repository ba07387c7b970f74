//! The connection to Redis: whether there is one, who is told when it goes and comes back, and how
//! long anybody waits for it.
//!
//! The waits here are the network's, by the machine's own time: a clock that a scenario moves says
//! nothing about them.

use std::sync::Arc;

use bailey_protocol::limits::{EPHEMERAL_REDIS_PATIENCE, EPHEMERAL_REDIS_RETRY, ERROR_DETAIL_CHARACTERS};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult, Script};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::backend::Away;
use super::RedisServer;

/// A shelf of nobody's, written to now and then: a server that takes that takes everything.
const PROBE: &str = "bailey:ephemeral:{probe}";

/// See the module. Ends its task when dropped.
pub(super) struct Link {
    ends: Ends,
    _keeper: JoinSet<()>,
}

#[derive(Clone)]
enum State {
    /// The first attempt is under way; calls wait for it.
    Beginning,
    Connected(Connection),
    /// The reason, for the operator.
    Away(Arc<str>),
}

#[derive(Clone)]
struct Connection {
    /// Which of the connections made so far: a late failure of an old one says nothing of the new.
    number: u64,
    wire: MultiplexedConnection,
}

/// What calls and the keeper share.
#[derive(Clone)]
struct Ends {
    server: RedisServer,
    /// Sets a slot of a shelf.
    probe: Arc<Script>,
    state: watch::Sender<State>,
}

impl Link {
    /// Begins to connect, and from then on keeps a connection or tries to get one back; `returned`
    /// is called each time that succeeds. `probe` sets a slot. Needs a runtime.
    pub(super) fn start(server: RedisServer, probe: Script, returned: impl Fn() + Send + 'static) -> Self {
        let ends = Ends { server, probe: Arc::new(probe), state: watch::Sender::new(State::Beginning) };
        let mut keeper = JoinSet::new();
        keeper.spawn(ends.clone().keep(returned));
        Self { ends, _keeper: keeper }
    }

    /// Asks the server, and waits no longer than [`EPHEMERAL_REDIS_PATIENCE`] altogether.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Away> {
        let mut asked = None;
        let asking = async {
            let mut connection = self.ends.connection().await?;
            asked = Some(connection.number);
            question(&mut connection.wire).await.map_err(|error| {
                self.ends.lose(connection.number, &words(&error));
                Away
            })
        };
        match timeout(EPHEMERAL_REDIS_PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(_) => {
                if let Some(number) = asked {
                    self.ends.lose(number, SLOW);
                }
                Err(Away)
            }
        }
    }

    /// Why there is no connection, if there is none.
    pub(super) fn trouble(&self) -> Option<String> {
        match &*self.ends.state.borrow() {
            State::Connected(_) => None,
            State::Beginning => Some(format!("connecting to Redis at {}", self.ends.server)),
            State::Away(reason) => Some(reason.to_string()),
        }
    }
}

const SLOW: &str = "it did not answer in time";

impl Ends {
    async fn connection(&self) -> Result<Connection, Away> {
        // Almost always it is settled already.
        if let Some(settled) = self.state.borrow().settled() {
            return settled;
        }
        let mut state = self.state.subscribe();
        let state = state.wait_for(|state| state.settled().is_some()).await.map_err(|_| Away)?;
        state.settled().unwrap_or(Err(Away))
    }

    /// Notes that the connection of this number is of no use.
    fn lose(&self, number: u64, why: &str) {
        self.note(why, |state| matches!(state, State::Connected(now) if now.number == number));
    }

    /// Notes the newest reason, if the state is one it is the reason of; says the first in the log.
    fn note(&self, why: &str, concerns: impl Fn(&State) -> bool) {
        let reason = format!("Redis at {} is away: {why}", self.server);
        let mut is_news = false;
        self.state.send_if_modified(|state| {
            let concerned = concerns(state);
            if concerned {
                is_news = !matches!(state, State::Away(_));
                *state = State::Away(reason.as_str().into());
            }
            concerned
        });
        if is_news {
            tracing::warn!(
                "{reason}; short-lived counters, cooldowns and flags are kept in this process, by this host \
                 alone, until it is back"
            );
        }
    }

    /// Makes the connection, watches it, and makes it again, for ever.
    async fn keep(self, returned: impl Fn()) {
        let mut number = 0;
        loop {
            let current = match &*self.state.borrow() {
                State::Connected(connection) => Some(connection.clone()),
                State::Beginning | State::Away(_) => None,
            };
            match current {
                Some(mut connection) => {
                    if let Err(why) = in_time(self.probe(&mut connection.wire)).await {
                        self.lose(connection.number, &why);
                    }
                }
                None => {
                    number += 1;
                    match in_time(self.connect()).await {
                        Ok(wire) => {
                            let before =
                                self.state.send_replace(State::Connected(Connection { number, wire }));
                            returned();
                            if matches!(before, State::Away(_)) {
                                // As loud as the going was: whoever read of it waits for this.
                                tracing::warn!("Redis at {} is back and in use", self.server);
                            }
                        }
                        Err(why) => self.note(&why, |state| !matches!(state, State::Connected(_))),
                    }
                }
            }
            sleep(EPHEMERAL_REDIS_RETRY).await;
        }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // Whoever asks keeps the time.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut wire = self.server.client.get_multiplexed_async_connection_with_config(&config).await?;
        self.probe(&mut wire).await?;
        Ok(wire)
    }

    async fn probe(&self, wire: &mut MultiplexedConnection) -> RedisResult<()> {
        self.probe.key(PROBE).arg("fprobe").arg(1000).invoke_async(wire).await
    }
}

impl State {
    /// The connection, or that there is none; nothing while the first attempt is under way.
    fn settled(&self) -> Option<Result<Connection, Away>> {
        match self {
            Self::Beginning => None,
            Self::Connected(connection) => Some(Ok(connection.clone())),
            Self::Away(_) => Some(Err(Away)),
        }
    }
}

async fn in_time<T>(work: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
    match timeout(EPHEMERAL_REDIS_PATIENCE, work).await {
        Ok(done) => done.map_err(|error| words(&error)),
        Err(_) => Err(SLOW.to_owned()),
    }
}

/// What went wrong, in one line.
fn words(error: &RedisError) -> String {
    let text = error.to_string();
    let shown = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    shown.take(ERROR_DETAIL_CHARACTERS).collect()
}
