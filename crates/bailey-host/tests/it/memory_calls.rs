//! What calls reach in tests and recordings: keys in memory, and Discord's answers from one mould.

use std::collections::HashMap;
use std::sync::Mutex;

use bailey_host::{Answer, Caller, Calls, CurrentInteraction, Unanswered};
use bailey_protocol::capability::{DiscordSendMessage, InteractionRespond, StorageKv};
use bailey_protocol::event::Interaction;
use bailey_protocol::method::discord::SendMessage;
use bailey_protocol::method::interaction::Respond;
use bailey_protocol::method::kv::{Got, KeyOnly, Put, Value};
use bailey_protocol::method::log::LogLine;
use bailey_protocol::{CallError, InteractionId, Method, Params, Tenant, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

/// Everything plugins did.
#[derive(Default)]
pub(crate) struct MemoryCalls {
    keys: Mutex<HashMap<(Tenant, String), Value>>,
    logs: Mutex<Vec<(Tenant, LogLine)>>,
    admitted: Mutex<Vec<(Tenant, InteractionId)>>,
    interactions: Mutex<Vec<Option<CurrentInteraction>>>,
    left: Mutex<Vec<Left>>,
    admitted_by_then: Mutex<Vec<usize>>,
}

/// An interaction a plugin is done with, and why it was given up if it was.
pub(crate) type Left = (Tenant, InteractionId, Option<Unanswered>);

fn raw(json: &str) -> Answer {
    RawValue::from_string(json.to_owned()).map_err(|_| CallError::Internal)
}

impl MemoryCalls {
    /// The lines of a tenant as `level: text`.
    pub(crate) fn lines(&self, tenant: &Tenant) -> Vec<String> {
        let logs = self.logs.lock().expect("nobody panics while holding it");
        let own = logs.iter().filter(|(owner, _)| owner == tenant);
        own.map(|(_, line)| format!("{}: {}", line.level.as_str(), line.message)).collect()
    }

    /// The value under a key, as JSON text.
    pub(crate) fn value(&self, tenant: &Tenant, key: &str) -> Option<String> {
        let keys = self.keys.lock().expect("nobody panics while holding it");
        keys.get(&(tenant.clone(), key.to_owned())).map(|value| value.as_json().to_owned())
    }

    /// Interactions plugins were admitted to.
    pub(crate) fn admitted(&self) -> Vec<(Tenant, InteractionId)> {
        self.admitted.lock().expect("nobody panics while holding it").clone()
    }

    /// The interaction each `interaction.respond` was taken to belong to.
    pub(crate) fn interactions(&self) -> Vec<Option<CurrentInteraction>> {
        self.interactions.lock().expect("nobody panics while holding it").clone()
    }

    /// Interactions plugins are done with, in order.
    pub(crate) fn all_left(&self) -> Vec<Left> {
        self.left.lock().expect("nobody panics while holding it").clone()
    }

    /// How many were admitted, to anything, when each of them was left.
    pub(crate) fn admitted_by_then(&self) -> Vec<usize> {
        self.admitted_by_then.lock().expect("nobody panics while holding it").clone()
    }

    /// Why each of these was given up.
    pub(crate) fn given_up(&self) -> Vec<(u64, Unanswered)> {
        self.all_left().into_iter().filter_map(|(_, id, why)| Some((id.0, why?))).collect()
    }

    fn left(
        &self,
        tenant: &Tenant,
        interaction: InteractionId,
        why: Option<Unanswered>,
    ) -> BoxFuture<'static, ()> {
        let admitted = self.admitted().len();
        self.admitted_by_then.lock().expect("nobody panics while holding it").push(admitted);
        let mut left = self.left.lock().expect("nobody panics while holding it");
        left.push((tenant.clone(), interaction, why));
        std::future::ready(()).boxed()
    }

    fn answer(&self, caller: &Caller, method: Method, params: &Params) -> Answer {
        let tenant = caller.grants.tenant().clone();
        match method {
            Method::KvGet => {
                caller.grants.require::<StorageKv>()?;
                let key = KeyOnly::parse(params)?.key;
                let keys = self.keys.lock().expect("nobody panics while holding it");
                let value = keys.get(&(tenant, key.as_str().to_owned())).cloned();
                raw(&serde_json::to_string(&Got(value)).map_err(|_| CallError::Internal)?)
            }
            Method::KvPut => {
                caller.grants.require::<StorageKv>()?;
                let put = Put::parse(params)?;
                self.keys
                    .lock()
                    .expect("nobody panics while holding it")
                    .insert((tenant, put.key.as_str().to_owned()), put.value);
                raw(r#"{"ok":true}"#)
            }
            Method::DiscordSendMessage => {
                caller.grants.require::<DiscordSendMessage>()?;
                let message = SendMessage::parse(params)?;
                raw(&format!(r#"{{"ok":true,"message_id":"555","channel_id":"{}"}}"#, message.channel))
            }
            Method::InteractionRespond => {
                caller.grants.require::<InteractionRespond>()?;
                Respond::parse(params)?;
                self.interactions.lock().expect("nobody panics while holding it").push(caller.interaction);
                raw(r#"{"ok":true}"#)
            }
            _ => Err(CallError::Internal),
        }
    }
}

/// A handle that many hosts may hold.
#[derive(Clone, Default)]
pub(crate) struct Shared(pub(crate) std::sync::Arc<MemoryCalls>);

impl Calls for Shared {
    fn call(&self, caller: Caller, method: Method, params: Params) -> BoxFuture<'static, Answer> {
        let calls = std::sync::Arc::clone(&self.0);
        async move {
            match params.text_or_empty("key").unwrap_or_default().as_str() {
                "panic" => panic!("a service with a bug"),
                "never" => std::future::pending().await,
                _ => calls.answer(&caller, method, &params),
            }
        }
        .boxed()
    }

    fn log(&self, tenant: &Tenant, _version: &str, line: LogLine) {
        self.0.logs.lock().expect("nobody panics while holding it").push((tenant.clone(), line));
    }

    fn admit(&self, tenant: &Tenant, interaction: &Interaction, _received_at: Timestamp) {
        self.0
            .admitted
            .lock()
            .expect("nobody panics while holding it")
            .push((tenant.clone(), interaction.id));
    }

    fn handled(&self, tenant: &Tenant, interaction: InteractionId) -> BoxFuture<'static, ()> {
        self.0.left(tenant, interaction, None)
    }

    fn give_up(
        &self,
        tenant: &Tenant,
        interaction: InteractionId,
        why: Unanswered,
    ) -> BoxFuture<'static, ()> {
        self.0.left(tenant, interaction, Some(why))
    }

    fn needs_process(&self, tenant: &Tenant) -> bool {
        self.0.value(tenant, "socket").is_some()
    }

    fn blot(&self, _tenant: &Tenant, text: String) -> String {
        text
    }
}
