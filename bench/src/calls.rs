//! Calls answered from memory: what is measured is the host, not what lies behind it.

use bailey_host::{Answer, Caller, Calls, Unanswered};
use bailey_protocol::event::Interaction;
use bailey_protocol::method::log::LogLine;
use bailey_protocol::{CallError, InteractionId, Method, Params, Tenant, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

/// Answers each call with the JSON the function makes; nobody waits for interactions.
pub(crate) struct FromMemory<F>(pub(crate) F);

/// The value every key has.
pub(crate) fn one_value(_: Method, _: &Params) -> Result<String, CallError> {
    Ok("{\"value\":{\"n\":1}}".to_owned())
}

impl<F> Calls for FromMemory<F>
where
    F: Fn(Method, &Params) -> Result<String, CallError> + Send + Sync + 'static,
{
    fn call(&self, _caller: Caller, method: Method, params: Params) -> BoxFuture<'static, Answer> {
        let answer = (self.0)(method, &params)
            .and_then(|text| RawValue::from_string(text).map_err(|_| CallError::Internal));
        std::future::ready(answer).boxed()
    }

    fn log(&self, _tenant: &Tenant, _version: &str, _line: LogLine) {}

    fn admit(&self, _tenant: &Tenant, _interaction: &Interaction, _received_at: Timestamp) {}

    fn handled(&self, _tenant: &Tenant, _interaction: InteractionId) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }

    fn give_up(
        &self,
        _tenant: &Tenant,
        _interaction: InteractionId,
        _why: Unanswered,
    ) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }

    fn needs_process(&self, _tenant: &Tenant) -> bool {
        false
    }

    fn blot(&self, _tenant: &Tenant, text: String) -> String {
        text
    }
}
