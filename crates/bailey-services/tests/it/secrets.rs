//! `secrets.*`: whose they are, what is kept of them, and where they may go.

use std::sync::Arc;

use bailey_protocol::capability::StorageSecrets;
use bailey_protocol::method::proxy::{Auth, AuthScheme};
use bailey_protocol::method::secrets::{SecretNameOnly, SecretValue, SetSecret};
use bailey_protocol::{CallError, Tenant, limits};
use bailey_services::secrets::{Keys, SecretScope, Secrets};
use serde_json::json;

use crate::support::{Scratch, grant, params, tenant, wire};

struct Safe {
    scratch: Scratch,
    secrets: Secrets,
}

impl Safe {
    async fn new() -> Self {
        Self::with(Keys::of_this_run()).await
    }

    async fn with(keys: Keys) -> Self {
        let scratch = Scratch::new().await;
        let secrets = Secrets::new(scratch.database.clone(), keys, Arc::new(scratch.clock.clone()));
        Self { scratch, secrets }
    }

    async fn get(&self, of: &Tenant, name: &str) -> Result<String, CallError> {
        let get = SecretNameOnly::parse(&params(json!({ "key": name })))?;
        self.secrets.get(&grant::<StorageSecrets>(of), &get).await.map(wire)
    }

    async fn set(&self, of: &Tenant, name: &str, value: &str) -> Result<(), CallError> {
        let set = SetSecret::parse(&params(json!({ "key": name, "value": value })))?;
        self.secrets.set(&grant(of), &set).await.map(drop)
    }

    async fn put(&self, scope: &SecretScope, name: &str, host: Option<&str>, value: &str) {
        let value = SecretValue::new(value.to_owned()).unwrap();
        self.secrets.put(scope, &name.parse().unwrap(), host, &value).await.unwrap();
    }

    async fn credential(&self, of: &Tenant, name: &str, host: &str) -> Result<String, CallError> {
        let auth = Auth { scheme: AuthScheme::Bearer, secret: name.parse().unwrap() };
        let host = host.parse().unwrap();
        self.secrets
            .credential(&grant(of), &auth, &host)
            .await
            .map(|credential| credential.host().to_string())
    }
}

fn everywhere(plugin: &str) -> SecretScope {
    SecretScope { plugin: plugin.parse().unwrap(), guild: None }
}

#[tokio::test]
async fn a_servers_own_value_goes_before_the_default_and_is_nobody_elses() {
    let safe = Safe::new().await;
    let (one, two, other) = (tenant("demo", 1), tenant("demo", 2), tenant("other", 1));
    assert_eq!(safe.get(&one, "KEY").await.unwrap(), r#"{"value":null}"#);
    safe.put(&everywhere("demo"), "KEY", None, "default").await;
    safe.set(&one, "KEY", "own").await.unwrap();
    assert_eq!(safe.get(&one, "KEY").await.unwrap(), r#"{"value":"own"}"#);
    assert_eq!(safe.get(&two, "KEY").await.unwrap(), r#"{"value":"default"}"#);
    assert_eq!(safe.get(&other, "KEY").await.unwrap(), r#"{"value":null}"#);
    let gone = SecretNameOnly { name: "KEY".parse().unwrap() };
    for _ in 0..2 {
        safe.secrets.delete(&grant(&one), &gone).await.unwrap();
    }
    assert_eq!(safe.get(&one, "KEY").await.unwrap(), r#"{"value":"default"}"#);
}

#[tokio::test]
async fn what_the_database_holds_opens_nowhere_else() {
    let safe = Safe::new().await;
    let (one, two) = (tenant("demo", 1), tenant("demo", 2));
    safe.set(&one, "KEY", "a very hidden value").await.unwrap();
    let door = safe.scratch.side_door().await;
    let row = door.query_one("SELECT sealed, secrets::text AS whole FROM secrets", &[]).await.unwrap();
    let sealed: Vec<u8> = row.get("sealed");
    assert!(
        !sealed.windows(6).any(|part| part == b"hidden") && !row.get::<_, String>("whole").contains("hidden")
    );
    // Moved to another server, to another name, or bound to another host, it does not open.
    for change in ["guild = 2", "guild = 1, name = 'OTHER'", "name = 'KEY', host = 'evil.example'"] {
        door.execute(&format!("UPDATE secrets SET {change}"), &[]).await.unwrap();
        for (of, name) in [(&one, "KEY"), (&two, "KEY"), (&one, "OTHER")] {
            let got = safe.get(of, name).await;
            assert!(got.is_err() || got.as_deref() == Ok(r#"{"value":null}"#), "{change}: {got:?}");
        }
    }
}

#[tokio::test]
async fn a_bound_secret_goes_to_its_host_and_is_shown_to_nobody() {
    let safe = Safe::new().await;
    let one = tenant("demo", 1);
    safe.put(&everywhere("demo"), "KEY", Some("api.example.com"), "the-default-value").await;
    assert!(matches!(safe.get(&one, "KEY").await, Err(CallError::Secret { .. })));
    assert_eq!(safe.credential(&one, "KEY", "api.example.com").await.unwrap(), "api.example.com");
    for host in ["example.com", "www.api.example.com", "api.example.com.evil.example", "10.0.0.1"] {
        assert!(matches!(safe.credential(&one, "KEY", host).await, Err(CallError::Secret { .. })), "{host}");
    }
    // What a server sets itself stays bound.
    safe.set(&one, "KEY", "of-this-server").await.unwrap();
    assert!(matches!(safe.get(&one, "KEY").await, Err(CallError::Secret { .. })));
    assert!(safe.credential(&one, "KEY", "api.example.com").await.is_ok());
    assert_eq!(safe.secrets.blot(&one, "a of-this-server b"), "a [secret] b");
    assert_eq!(safe.secrets.blot(&tenant("demo", 2), "a of-this-server b"), "a of-this-server b");
    // One that is bound to nothing goes nowhere, and one that does not exist neither.
    safe.set(&one, "FREE", "free-value").await.unwrap();
    for name in ["FREE", "NONE"] {
        assert!(matches!(
            safe.credential(&one, name, "api.example.com").await,
            Err(CallError::Secret { .. })
        ));
    }
    // A value no header can have is an error, not half a header.
    safe.put(&everywhere("demo"), "LINES", Some("api.example.com"), "one\r\nX-Other: two").await;
    assert!(safe.credential(&one, "LINES", "api.example.com").await.is_err());
}

#[tokio::test]
async fn names_values_and_number_have_limits() {
    let safe = Safe::new().await;
    let one = tenant("demo", 1);
    for (name, value) in
        [("", "x"), ("a b", "x"), (&*"n".repeat(65), "x"), ("KEY", ""), ("KEY", &*"v".repeat(4097))]
    {
        assert!(matches!(safe.set(&one, name, value).await, Err(CallError::Validation { .. })), "{name}");
    }
    let number = limits::SECRETS;
    for index in 0..number {
        safe.set(&one, &format!("K{index}"), "value").await.unwrap();
    }
    let error = safe.set(&one, "ONE_MORE", "value").await.unwrap_err();
    assert!(error.to_string().contains(&number.to_string()), "{error}");
    safe.set(&one, "K0", "changed").await.unwrap();
    safe.set(&tenant("demo", 2), "ONE_MORE", "value").await.unwrap();
}

#[tokio::test]
async fn rotation_seals_everything_anew_while_others_read_and_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let safe = Safe::with(Keys::open(&path).unwrap()).await;
    for server in 1..=450 {
        let scope = SecretScope { guild: Some(tenant("demo", server).guild), ..everywhere("demo") };
        safe.put(&scope, "KEY", Some("api.example.com"), &format!("value-{server}")).await;
    }
    safe.put(&everywhere("demo"), "READABLE", None, "readable").await;
    // Another Bailey on the same database, that knows only the old key as yet.
    let other = Secrets::new(
        safe.scratch.database.clone(),
        Keys::open(&path).unwrap(),
        Arc::new(safe.scratch.clock.clone()),
    );
    assert_eq!(safe.secrets.rotate().await.unwrap(), 451);
    let old = std::fs::read_to_string(&path).unwrap();
    assert_eq!(old.lines().filter(|line| !line.starts_with('#')).count(), 1, "the old key is still there");
    let door = safe.scratch.side_door().await;
    let keys: i64 = door.query_one("SELECT count(DISTINCT key) FROM secrets", &[]).await.unwrap().get(0);
    assert_eq!(keys, 1);
    let get = SecretNameOnly { name: "READABLE".parse().unwrap() };
    let read = other.get(&grant(&tenant("demo", 7)), &get).await.unwrap();
    assert_eq!(read.value.as_deref(), Some("readable"));
    let listed = safe.secrets.list(Some(&"demo".parse().unwrap())).await.unwrap();
    assert!(listed.len() == 451 && listed.iter().all(|record| record.key == 2));
}
