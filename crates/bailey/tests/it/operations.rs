//! What an operator sees of a `bailey dev` whose Redis or PostgreSQL goes away and comes back, while
//! a real plugin on a real SDK goes on.

use std::time::Duration;

use bailey_store::{Cluster, ClusterConfig};
use bailey_testkit::{Redis, SDKS, fixture, postgres};
use serde_json::{Value, json};

use crate::support::{Dev, PATIENCE, bailey, data_directory, database_url, http_client};

/// A `bailey dev` and its probes.
struct Probed {
    dev: Dev,
    /// `http://127.0.0.1:port`
    probes: String,
}

impl Probed {
    async fn start(arguments: &[&str], data: &std::path::Path) -> Self {
        let sdk = SDKS[SDKS.len() - 1].requirement();
        let arguments = [arguments, &["--operations", "127.0.0.1:0", "--sdk", &sdk]].concat();
        let (dev, said) =
            Dev::start_with(&fixture("ephemeral"), data, &arguments, std::process::Stdio::inherit()).await;
        let line = said.iter().find(|line| line.contains("/readyz")).expect("the probes' address");
        let probes = line.split_once("http://").unwrap().1.trim();
        Self { dev, probes: format!("http://{probes}") }
    }

    /// The status and body of `/readyz`.
    async fn readiness(&self) -> (u16, Value) {
        let answer = http_client().get(format!("{}/readyz", self.probes)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Asks until `/readyz` answers as wanted; the answer.
    async fn until(&self, wanted: impl Fn(u16, &Value) -> bool) -> Value {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        let asking = async {
            loop {
                looks.tick().await;
                let (status, body) = self.readiness().await;
                if wanted(status, &body) {
                    return body;
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("/readyz never answered as wanted")
    }

    async fn must_live(&self) {
        let answer = http_client().get(format!("{}/healthz", self.probes)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
    }

    /// Says something, and waits for the plugin's answer.
    async fn hear(&mut self, said: &str, answer: &str) {
        self.dev.say(said).await;
        self.dev.line_with(answer).await;
    }
}

#[tokio::test]
async fn a_plugin_goes_on_while_redis_is_away_and_probes_tell() {
    let mut redis = Redis::start_on_port();
    let data = data_directory();
    let mut bailey = Probed::start(&["--redis", &redis.port_url()], data.path()).await;
    bailey.must_live().await;
    let healthy = json!({"ready": true, "components": {
        "database": {"status": "ok"},
        "sql": {"status": "ok"},
        "ephemeral": {"backend": "redis", "status": "ok"},
    }});
    assert_eq!(bailey.readiness().await, (200, healthy.clone()));
    bailey.hear("!hit spam 600", "hit 1").await;
    bailey.hear("!hit spam 600", "hit 2").await;
    bailey.hear("!seen a 600", "new True").await;

    redis.kill();
    bailey.hear("!hit spam 600", "hit 1").await;
    bailey.hear("!seen a 600", "new True").await;
    let (status, body) = bailey.readiness().await;
    assert_eq!((status, &body["ready"]), (200, &json!(true)));
    let ephemeral = &body["components"]["ephemeral"];
    assert_eq!((&ephemeral["backend"], &ephemeral["status"]), (&json!("process"), &json!("degraded")));
    let reason = ephemeral["reason"].as_str().unwrap();
    assert!(reason.contains("Redis at 127.0.0.1:") && reason.contains("is away"), "{reason}");
    bailey.hear("!hit spam 600", "hit 2").await;

    redis.start_again();
    bailey.until(|_, body| *body == healthy).await;
    bailey.hear("!hit spam 600", "hit 1").await;
    let status = bailey.dev.end_by(rustix::process::Signal::INT).await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn without_a_database_bailey_lives_and_is_not_ready() {
    let folder = postgres::scratch_directory();
    let cluster = Cluster::start(ClusterConfig::kept(folder.path().to_owned())).await.unwrap();
    let (url, data) = (database_url(&cluster), data_directory());
    let bailey = Probed::start(&["--database-url", &url], data.path()).await;
    let no_tables = "this Bailey has no database for plugins' tables; its operator can give it one with \
                     --sql-database-url";
    let alone = json!({"ready": true, "components": {
        "database": {"status": "ok"},
        "sql": {"status": "degraded", "reason": no_tables},
        "ephemeral": {"backend": "process", "status": "ok"},
    }});
    assert_eq!(bailey.readiness().await, (200, alone));

    cluster.stop().await.unwrap();
    let body = bailey.until(|status, _| status == 503).await;
    assert_eq!((&body["ready"], &body["components"]["database"]["status"]), (&json!(false), &json!("away")));
    assert!(!body["components"]["database"]["reason"].as_str().unwrap().is_empty(), "{body}");
    bailey.must_live().await;

    let cluster = Cluster::start(ClusterConfig::kept(folder.path().to_owned())).await.unwrap();
    bailey.until(|status, body| status == 200 && body["ready"] == true).await;
    bailey.dev.end_by(rustix::process::Signal::TERM).await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_is_said_before_anything_starts() {
    let url = "rediss://:hunter2@cache.example";
    let output = bailey().arg("dev").arg(fixture("ephemeral")).env("BAILEY_REDIS_URL", url).output().await;
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the URL of Redis cannot be used") && said.contains("hint: "), "{said}");
    assert!(!said.contains("hunter2"), "{said}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output =
        bailey().arg("dev").arg(fixture("ephemeral")).args(["--operations", &address]).output().await;
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("choose another address"), "{said}");
}
