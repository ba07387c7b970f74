//! The audit: what is noted is found again, by who, where, what, whether, and since when; and goes after its time.

use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::{CallError, Capability, InteractionId, Method, Params, Tenant, Timestamp, limits};
use bailey_services::Audit;
use bailey_services::audit::{AuditEntry, AuditQuery};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{START, Scratch, params, tenant};

fn done(tenant: &Tenant, at: i64, method: Method, given: Value) -> AuditEntry {
    let params: Params = params(given);
    let entry = AuditEntry::begin(tenant, Timestamp(at), method, &params, Some(InteractionId(u64::MAX)));
    let result = RawValue::from_string(json!({"ok": true}).to_string()).unwrap();
    entry.unwrap().end(&Ok(result), Duration::from_millis(12))
}

fn refused(tenant: &Tenant, at: i64, method: Method) -> AuditEntry {
    let entry = AuditEntry::begin(tenant, Timestamp(at), method, &params(json!({})), None).unwrap();
    entry.end(&Err(CallError::CapabilityDenied(Capability::DiscordBanMembers)), Duration::ZERO)
}

#[tokio::test]
async fn what_is_noted_is_found_again() {
    let Scratch { database, clock, .. } = Scratch::new().await;
    let audit = Audit::new(database.clone(), Arc::new(clock.clone()));
    let (here, there, other) = (tenant("demo", u64::MAX), tenant("demo", 2), tenant("other", 2));
    let start = START.0;
    let kick = done(&here, start, Method::DiscordKickMember, json!({"user_id": "7", "reason": "secret"}));
    let ban = refused(&there, start + 1000, Method::DiscordBanMember);
    let send = done(&other, start + 2000, Method::DiscordSendMessage, json!({"channel_id": 5}));
    for entry in [&kick, &ban, &send] {
        audit.note(entry.clone());
    }
    audit.flush().await;
    let find = async |query: AuditQuery| Audit::find(&database, &query).await.unwrap();
    let all = AuditQuery { limit: 10, ..AuditQuery::default() };
    assert_eq!(find(all.clone()).await, [send.clone(), ban.clone(), kick.clone()]);
    assert_eq!(find(AuditQuery { limit: 1, ..all.clone() }).await, std::slice::from_ref(&send));
    let by_plugin = AuditQuery { plugin: Some(here.plugin.clone()), ..all.clone() };
    assert_eq!(find(by_plugin).await, [ban.clone(), kick.clone()]);
    assert_eq!(find(AuditQuery { guild: Some(here.guild), ..all.clone() }).await, [kick]);
    let by_method = AuditQuery { method: Some("discord.ban_member".to_owned()), ..all.clone() };
    assert_eq!(find(by_method).await, std::slice::from_ref(&ban));
    assert_eq!(find(AuditQuery { failed: true, ..all.clone() }).await, [ban]);
    assert_eq!(find(AuditQuery { since: Some(Timestamp(start + 1500)), ..all }).await, [send]);
}

#[tokio::test]
async fn what_waits_is_written_at_the_end_and_what_is_old_goes() {
    let Scratch { database, clock, .. } = Scratch::new().await;
    let audit = Audit::new(database.clone(), Arc::new(clock.clone()));
    let start = START.0;
    for number in 0..1200 {
        audit.note(done(&tenant("demo", 1), start + number, Method::DiscordSendMessage, json!({})));
    }
    audit.shut_down().await;
    let all = AuditQuery { limit: 2000, ..AuditQuery::default() };
    let found = Audit::find(&database, &all).await.unwrap();
    assert_eq!(found.len(), 1200);
    assert!(found.is_sorted_by_key(|entry| std::cmp::Reverse(entry.at)));
    assert_eq!(audit.sweep().await.unwrap(), 0);
    clock.advance(limits::AUDIT_KEPT + Duration::from_secs(2 * 24 * 3600));
    assert!(audit.sweep().await.unwrap() >= 1);
    assert!(Audit::find(&database, &all).await.unwrap().is_empty());
}
