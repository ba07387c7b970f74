//! What each method means: the one place where a method meets a capability and a service.

use std::borrow::Cow;

use bailey_protocol::capability::{
    InteractionRespond, ProxyHttp, ProxyWebsocket, StorageKv, StorageSecrets, StorageSql,
};
use bailey_protocol::event::Interaction;
use bailey_protocol::method::ephemeral::{Check, Count, Remember};
use bailey_protocol::method::interaction::{Defer, Respond, SendModal};
use bailey_protocol::method::kv::{GetMany, Increment, KeyOnly, List, ListValues, Put, PutMany};
use bailey_protocol::method::log::LogLine;
use bailey_protocol::method::metrics::{Query, Record, Total};
use bailey_protocol::method::proxy::{HostOnly, ProxyRequest};
use bailey_protocol::method::secrets::{SecretNameOnly, SetSecret};
use bailey_protocol::method::sql::{Execute, Query as Select};
use bailey_protocol::method::websocket::{Ensure, SendFrame, SocketNameOnly};
use bailey_protocol::{CallError, InteractionId, Method, Params, Tenant, Timestamp};
use bailey_services::Services;
use bailey_services::audit::AuditEntry;
use bailey_services::hosts::Way;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use tokio::time::Instant;

use super::{Answer, Caller, Calls, Unanswered, discord, to_raw};

impl Calls for Services {
    fn call(&self, caller: Caller, method: Method, params: Params) -> BoxFuture<'static, Answer> {
        let services = self.clone();
        async move {
            let (tenant, interaction) =
                (caller.grants.tenant(), caller.interaction.map(|current| current.id));
            let now = services.audit.now();
            let entry = AuditEntry::begin(tenant, now, method, &params, interaction);
            let began = Instant::now();
            // One that is given up for its deadline is noted all the same: it may have been done.
            let mut noted = Noted { services: &services, entry, began };
            let answer = carry_out(&services, &caller, method, &params).await;
            noted.end(&answer);
            answer
        }
        .boxed()
    }

    fn log(&self, tenant: &Tenant, version: &str, line: LogLine) {
        self.logs.write(tenant, version, line);
    }

    fn admit(&self, tenant: &Tenant, interaction: &Interaction, received_at: Timestamp) {
        self.interactions.admit(tenant, interaction, received_at);
    }

    fn handled(&self, tenant: &Tenant, interaction: InteractionId) -> BoxFuture<'static, ()> {
        let (interactions, tenant) = (self.interactions.clone(), tenant.clone());
        async move { interactions.handled(&tenant, interaction).await }.boxed()
    }

    fn give_up(
        &self,
        tenant: &Tenant,
        interaction: InteractionId,
        why: Unanswered,
    ) -> BoxFuture<'static, ()> {
        let (interactions, tenant) = (self.interactions.clone(), tenant.clone());
        async move { interactions.give_up(&tenant, interaction, why).await }.boxed()
    }

    fn needs_process(&self, _tenant: &Tenant) -> bool {
        false // no service holds anything that lives in a process
    }

    fn blot(&self, tenant: &Tenant, text: String) -> String {
        match self.secrets.blot(tenant, &text) {
            Cow::Owned(clean) => clean,
            Cow::Borrowed(_) => text,
        }
    }
}

/// A call that belongs into the audit, and goes there however it ends.
struct Noted<'a> {
    services: &'a Services,
    entry: Option<AuditEntry>,
    began: Instant,
}

impl Noted<'_> {
    fn end(&mut self, answer: &Answer) {
        if let Some(entry) = self.entry.take() {
            self.services.audit.note(entry.end(answer, self.began.elapsed()));
        }
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.end(&Err(CallError::Timeout { what: "the call" }));
    }
}

/// The grant first, then the parameters: whoever may not call learns no rules.
async fn carry_out(services: &Services, caller: &Caller, method: Method, params: &Params) -> Answer {
    let Services { kv, sql, ephemeral, interactions, secrets, .. } = services;
    let storage = || caller.grants.require::<StorageKv>();
    let tables = || caller.grants.require::<StorageSql>();
    let answering = || caller.grants.require::<InteractionRespond>();
    let credentials = || caller.grants.require::<StorageSecrets>();
    let current = caller.interaction.map(|current| current.id);
    let tenant = caller.grants.tenant();
    // The interaction being handled, with the person behind it.
    let told = || interactions.told(tenant, current?);
    match method {
        Method::KvGet => to_raw(&kv.get(&storage()?, &KeyOnly::parse(params)?).await?),
        Method::KvPut => to_raw(&kv.put(&storage()?, &Put::parse(params)?).await?),
        Method::KvDelete => to_raw(&kv.delete(&storage()?, &KeyOnly::parse(params)?).await?),
        Method::KvIncrement => to_raw(&kv.increment(&storage()?, &Increment::parse(params)?).await?),
        Method::KvDecrement => {
            to_raw(&kv.increment(&storage()?, &Increment::parse_decrement(params)?).await?)
        }
        Method::KvList => to_raw(&kv.list(&storage()?, &List::parse(params)?).await?),
        Method::KvGetMany => to_raw(&kv.get_many(&storage()?, &GetMany::parse(params)?).await?),
        Method::KvPutMany => to_raw(&kv.put_many(&storage()?, &PutMany::parse(params)?).await?),
        Method::KvListValues => to_raw(&kv.list_values(&storage()?, &ListValues::parse(params)?).await?),
        Method::EphemeralCounter => to_raw(&ephemeral.counter(tenant, &Count::parse(params)?).await?),
        Method::EphemeralCooldownSet => {
            to_raw(&ephemeral.cooldown_set(tenant, &Remember::parse_cooldown(params)?).await?)
        }
        Method::EphemeralCooldownCheck => {
            to_raw(&ephemeral.cooldown_check(tenant, &Check::parse(params)?).await?)
        }
        Method::EphemeralDedup => to_raw(&ephemeral.dedup(tenant, &Remember::parse(params)?).await?),
        Method::EphemeralFlagSet => to_raw(&ephemeral.flag_set(tenant, &Remember::parse(params)?).await?),
        Method::EphemeralFlagCheck => to_raw(&ephemeral.flag_check(tenant, &Check::parse(params)?).await?),
        Method::InteractionRespond => {
            let grant = answering()?;
            let mut respond = Respond::parse(params)?;
            respond.interaction = named(caller, respond.interaction);
            to_raw(&interactions.respond(&grant, &respond, current).await?)
        }
        Method::InteractionDefer => {
            let grant = answering()?;
            let mut defer = Defer::parse(params)?;
            defer.interaction = named(caller, defer.interaction);
            to_raw(&interactions.defer(&grant, &defer, current).await?)
        }
        Method::InteractionFollowup => {
            let grant = answering()?;
            let mut followup = Respond::parse(params)?;
            followup.interaction = named(caller, followup.interaction);
            to_raw(&interactions.followup(&grant, &followup, current).await?)
        }
        Method::InteractionSendModal => {
            let grant = answering()?;
            let mut modal = SendModal::parse(params)?;
            modal.interaction = named(caller, modal.interaction);
            to_raw(&interactions.send_modal(&grant, &modal, current).await?)
        }
        Method::MetricsRecord => {
            to_raw(&services.metrics.record(caller.grants.tenant(), &Record::parse(params)?)?)
        }
        Method::MetricsQuery => {
            to_raw(&services.metrics.query(caller.grants.tenant(), &Query::parse(params)?).await?)
        }
        Method::MetricsTotal => {
            to_raw(&services.metrics.total(caller.grants.tenant(), &Total::parse(params)?).await?)
        }
        Method::SqlExecute => to_raw(&sql.execute(&tables()?, &Execute::parse(params)?).await?),
        Method::SqlQuery => to_raw(&sql.query(&tables()?, &Select::parse(params)?).await?),
        Method::SqlQueryOne => to_raw(&sql.query_one(&tables()?, &Select::parse_one(params)?).await?),
        Method::SecretsGet => to_raw(&secrets.get(&credentials()?, &SecretNameOnly::parse(params)?).await?),
        Method::SecretsSet => to_raw(&secrets.set(&credentials()?, &SetSecret::parse(params)?).await?),
        Method::SecretsDelete => {
            to_raw(&secrets.delete(&credentials()?, &SecretNameOnly::parse(params)?).await?)
        }
        Method::ProxyRequest => {
            let (grant, domains) = (caller.grants.require::<ProxyHttp>()?, caller.grants.domains());
            let request = ProxyRequest::parse(params)?;
            to_raw(&services.http.request(&grant, credentials(), domains, request).await?)
        }
        Method::HttpAllowHost => {
            caller.grants.require::<ProxyHttp>()?;
            let (host, told) = (HostOnly::parse(params)?, told());
            to_raw(&services.hosts.allow(tenant, Way::Http, told.as_ref(), &host).await?)
        }
        Method::HttpRevokeHost => {
            caller.grants.require::<ProxyHttp>()?;
            let (host, told) = (HostOnly::parse(params)?, told());
            to_raw(&services.hosts.revoke(tenant, Way::Http, told.as_ref(), &host).await?)
        }
        Method::WebsocketEnsure => {
            caller.grants.require::<ProxyWebsocket>()?;
            to_raw(&services.websockets.ensure(&caller.grants, Ensure::parse(params)?).await?)
        }
        Method::WebsocketSend => {
            caller.grants.require::<ProxyWebsocket>()?;
            to_raw(&services.websockets.send(&caller.grants, SendFrame::parse(params)?).await?)
        }
        Method::WebsocketClose => {
            caller.grants.require::<ProxyWebsocket>()?;
            to_raw(&services.websockets.close(&caller.grants, &SocketNameOnly::parse(params)?).await?)
        }
        Method::WebsocketAllowHost => {
            caller.grants.require::<ProxyWebsocket>()?;
            let (host, told) = (HostOnly::parse(params)?, told());
            to_raw(&services.hosts.allow(tenant, Way::Websocket, told.as_ref(), &host).await?)
        }
        Method::WebsocketRevokeHost => {
            caller.grants.require::<ProxyWebsocket>()?;
            let (host, told) = (HostOnly::parse(params)?, told());
            let revoked = services.hosts.revoke(tenant, Way::Websocket, told.as_ref(), &host).await?;
            services.websockets.recheck(&caller.grants).await?;
            to_raw(&revoked)
        }
        // The session takes these itself; they never arrive here.
        Method::PluginLog | Method::EventAck | Method::EventFail => Err(CallError::Internal),
        discord => discord::carry_out(&services.actions, &caller.grants, discord, params).await,
    }
}

/// The interaction a call names, unless the event it names says otherwise: in single mode SDKs
/// overwrite the interaction of one event by that of the next.
fn named(caller: &Caller, interaction: Option<InteractionId>) -> Option<InteractionId> {
    match caller.interaction {
        Some(current) if current.certain => Some(current.id),
        _ => interaction,
    }
}
