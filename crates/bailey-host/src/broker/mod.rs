//! Carries out a plugin's calls: each in a task of its own, within its deadline, answered exactly
//! once. What a call means is decided behind [`Calls`]; who is calling is decided by the process
//! the call came from.

mod discord;
mod services;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::event::Interaction;
use bailey_protocol::frame::{self, RequestId};
use bailey_protocol::method::log::LogLine;
use bailey_protocol::{CallError, Grants, InteractionId, Method, Params, Tenant, Timestamp};
pub use bailey_services::interactions::Unanswered;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::observation::{Observation, Observer, shown};

/// Stands where an observer would see a secret.
const NOT_SHOWN: &str = "(not shown)";

/// The result of a call as JSON, or why there is none.
pub type Answer = Result<Box<RawValue>, CallError>;

/// What plugins' calls reach: the services, or a memory in a bench or test.
pub trait Calls: Send + Sync + 'static {
    /// Carries out one call. Dropping the future gives it up.
    fn call(&self, caller: Caller, method: Method, params: Params) -> BoxFuture<'static, Answer>;

    /// Keeps a line a plugin wrote. Never blocks, never fails.
    fn log(&self, tenant: &Tenant, version: &str, line: LogLine);

    /// An interaction is on its way to a plugin, which may answer it from now on. Every plugin it goes to is
    /// admitted before one of them gives it up.
    fn admit(&self, tenant: &Tenant, interaction: &Interaction, received_at: Timestamp);

    /// The plugin is done with an interaction; it may still answer it. Completes at once unless another
    /// plugin gave it up and this was the last to be waited for.
    fn handled(&self, tenant: &Tenant, interaction: InteractionId) -> BoxFuture<'static, ()>;

    /// The plugin will not answer an interaction any more. If nobody else may and nobody has, the person is
    /// told so; completes when that is done.
    fn give_up(&self, tenant: &Tenant, interaction: InteractionId, why: Unanswered)
    -> BoxFuture<'static, ()>;

    /// Whether something of the tenant's needs its process, though nothing is under way: a socket, say. Such a
    /// process is not ended for being idle.
    fn needs_process(&self, tenant: &Tenant) -> bool;

    /// A text without any secret the tenant has used: everything a plugin writes that people read goes through here.
    fn blot(&self, tenant: &Tenant, text: String) -> String;
}

/// Who calls, and in which situation.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose process it is and what it may do.
    pub grants: Arc<Grants>,
    /// The interaction being handled, as far as the host can tell.
    pub interaction: Option<CurrentInteraction>,
}

/// The interaction a call most likely belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentInteraction {
    /// Which.
    pub id: InteractionId,
    /// Whether the call itself named the event (and so outweighs the interaction it names), or it
    /// is merely the only one in work.
    pub certain: bool,
}

/// One call, read and admitted.
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) id: RequestId,
    pub(crate) method: Method,
    pub(crate) params: Params,
    /// The raw parameters, only if someone watches.
    pub(crate) shown_params: String,
}

/// Carries out a call and gives back the line that answers it.
pub(crate) async fn carry_out(
    calls: Arc<dyn Calls>,
    observer: Observer,
    call: Call,
    deadline: Duration,
) -> (String, bool) {
    let started = Instant::now();
    let tenant = call.caller.grants.tenant().clone();
    let method = call.method;
    let cleaner = Arc::clone(&calls);
    // The call is made inside the guarded future, so that a panic while making it counts too.
    let work = AssertUnwindSafe(async move { calls.call(call.caller, method, call.params).await });
    let answer = match tokio::time::timeout(deadline, work.catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_panic)) => {
            tracing::error!(%tenant, %method, "{method} of {tenant} failed: a bug in Bailey (panic)");
            Err(CallError::Internal)
        }
        Err(_elapsed) => {
            tracing::warn!(%tenant, %method, "{method} of {tenant} took longer than {deadline:?}");
            Err(CallError::Timeout { what: method.as_str() })
        }
    };
    let took = started.elapsed();
    observer.tell(|| observed(&*cleaner, &tenant, method, call.shown_params, &answer, took));
    (answer_line(&call.id, &answer), answer.is_ok())
}

/// A call as an observer sees it: without secrets.
fn observed(
    calls: &dyn Calls,
    tenant: &Tenant,
    method: Method,
    params: String,
    answer: &Answer,
    took: Duration,
) -> Observation {
    let is_secret = matches!(method, Method::SecretsGet | Method::SecretsSet);
    let clean = |text: String| if is_secret { NOT_SHOWN.to_owned() } else { calls.blot(tenant, text) };
    Observation::Call {
        tenant: tenant.clone(),
        method: method.to_string(),
        params: clean(params),
        outcome: match answer {
            Ok(result) => Ok(clean(shown(result.get()))),
            Err(error) => Err(error.to_object()),
        },
        took,
    }
}

/// A call that was refused before it was anybody's, as an observer sees it.
pub(crate) fn refused(tenant: &Tenant, method: &str, error: &CallError) -> Observation {
    Observation::Call {
        tenant: tenant.clone(),
        method: method.to_owned(),
        params: "{}".to_owned(),
        outcome: Err(error.to_object()),
        took: Duration::ZERO,
    }
}

/// The line that answers a call.
pub(crate) fn answer_line(id: &RequestId, answer: &Answer) -> String {
    frame::response(id, answer.as_ref().map(AsRef::as_ref))
}

/// A result as raw JSON.
pub(crate) fn to_raw<T: serde::Serialize>(result: &T) -> Answer {
    serde_json::value::to_raw_value(result).map_err(|error| {
        tracing::error!(%error, "a result could not be written as JSON");
        CallError::Internal
    })
}
