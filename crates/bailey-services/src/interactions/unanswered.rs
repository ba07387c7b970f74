//! Answers in the place of plugins that will not answer: what a person reads then, and when.
//!
//! An interaction can go to several plugins, of which one answers. So the host speaks only when all of them
//! have left it, one of them without having been able to answer; a "thinking" that one plugin asked for is
//! its own to end.

use bailey_discord::DiscordError;
use bailey_protocol::method::message::MessageParts;
use bailey_protocol::{InteractionId, Tenant};

use super::requests::Answer;
use super::state::{State, Step, Wish};
use super::table::{Entry, Left};
use super::{ACKNOWLEDGED, GONE, Interactions, MOST_STEPS, UNKNOWN_MESSAGE, lock};

/// Why a plugin will not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// It is not running, and will not be soon.
    NotRunning,
    /// It ended while it was to answer.
    Died,
    /// Its handler failed.
    Failed,
    /// It was stopped, for a good reason.
    Stopped,
    /// Too much waits for it, or it waits for memory.
    Busy,
    /// It has nothing that handles this. Others may: one that handled it counts for more.
    NoHandler,
}

impl Unanswered {
    /// What the person who waits is told.
    pub fn words(self) -> &'static str {
        match self {
            Self::NotRunning => {
                "This plugin is not running at the moment. Please try again in a few minutes."
            }
            Self::Died => "This plugin stopped before it could answer. Please try again.",
            Self::Failed => "This plugin ran into an error and did not answer.",
            Self::Stopped => "This plugin was stopped before it could answer. Please try again later.",
            Self::NoHandler => "This plugin has no answer to that.",
            Self::Busy => "This plugin is too busy to answer at the moment. Please try again in a minute.",
        }
    }
}

impl Interactions {
    /// A plugin is done with an interaction, which it may still answer.
    pub async fn handled(&self, tenant: &Tenant, interaction: InteractionId) {
        self.left(tenant, interaction, Left::Handled).await;
    }

    /// A plugin will not answer an interaction any more. If nobody else may and nobody has, the person is told.
    pub async fn give_up(&self, tenant: &Tenant, interaction: InteractionId, why: Unanswered) {
        self.left(tenant, interaction, Left::GaveUp(why)).await;
    }

    async fn left(&self, tenant: &Tenant, interaction: InteractionId, how: Left) {
        let left = lock(&self.shared.table).leave(tenant, interaction, how, self.clock.now());
        let Some((entry, departed)) = left else { return };
        if let Err(error) = self.speak_for(&entry, &departed).await {
            tracing::warn!(%error, %interaction, "a person was not told that a plugin does not answer");
        }
    }

    /// Says so if nobody has answered, in the form that the state of the interaction asks for.
    async fn speak_for(&self, entry: &Entry, departed: &Departed) -> Result<(), DiscordError> {
        let mut progress = entry.progress.lock().await; // a plugin's last answer may be on its way
        for _ in 0..MOST_STEPS {
            let (why, step, private) = match progress.state {
                State::Unclear => {
                    progress.state = self.look(entry).await?;
                    continue;
                }
                State::New if !self.is_late(entry) => (departed.all(), Step::Reply, true),
                State::AutoDeferred => (departed.all(), Step::EditOriginal, false),
                State::Deferred => {
                    (departed.author(progress.deferred_by.as_ref()), Step::EditOriginal, false)
                }
                State::New | State::Responded | State::Cleared => return Ok(()),
            };
            let Some(why) = why else { return Ok(()) };
            let parts = MessageParts { content: Some(why.words().to_owned()), ..MessageParts::default() };
            let answer = Answer { wish: Wish::Respond, parts, ephemeral: private, modal: None, by: None };
            match self.take(step, entry, &answer, private).await {
                Ok(_) => {
                    progress.state = State::Responded;
                    return Ok(());
                }
                // An answer arrived though we never heard so.
                Err(DiscordError::Refused { code: ACKNOWLEDGED, .. }) => progress.state = State::Unclear,
                // Somebody removed the "thinking", or the time is over.
                Err(DiscordError::Refused { code, .. })
                    if code == UNKNOWN_MESSAGE || GONE.contains(&code) =>
                {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Those who will not answer an interaction any more.
#[derive(Debug, Default)]
pub(super) struct Departed {
    pub(super) tenants: Vec<(Tenant, Unanswered)>,
    /// Nobody is left who may be about to answer.
    pub(super) all_left: bool,
}

impl Departed {
    /// Why nobody will answer; `None` if somebody may.
    fn all(&self) -> Option<Unanswered> {
        self.tenants.first().map(|(_, why)| *why).filter(|_| self.all_left)
    }

    /// Why whoever asked for the "thinking" will not end it; `None` if it may.
    fn author(&self, author: Option<&Tenant>) -> Option<Unanswered> {
        if author.is_none() {
            return self.all(); // the receipt of its wish got lost, and with it whose it was
        }
        self.tenants.iter().find(|(tenant, _)| Some(tenant) == author).map(|(_, why)| *why)
    }
}
