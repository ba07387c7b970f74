//! Rate limits and faults.

use std::time::Duration;

use bailey_sim::{Fault, FaultRule};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::Sim;

#[tokio::test]
async fn buckets_have_headers_and_a_scope_only_when_they_refuse() {
    let sim = Sim::start().await;
    let path = format!("/channels/{}/messages", sim.general());
    for left in (0..5).rev() {
        let response = sim.rest.send(Method::POST, &path, Some(json!({"content": "x"}))).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers();
        assert_eq!(headers["x-ratelimit-limit"], "5");
        assert_eq!(headers["x-ratelimit-remaining"], left.to_string());
        assert!(
            headers.contains_key("x-ratelimit-bucket") && headers.contains_key("x-ratelimit-reset-after")
        );
        assert!(headers.get("x-ratelimit-scope").is_none(), "documented on refusals only");
    }
    let refused = sim.rest.send(Method::POST, &path, Some(json!({"content": "x"}))).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["x-ratelimit-scope"], "user");
    assert!(refused.headers().get("x-ratelimit-global").is_none());
    assert!(refused.headers().contains_key("retry-after"));
    let body: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!((&body["global"], &body["code"]), (&json!(false), &json!(0)));
    assert!(body["retry_after"].as_f64().is_some_and(|seconds| seconds > 0.0 && seconds <= 5.0), "{body}");
    // Another channel is another bucket.
    let random = bailey_sim::World::default_world().guilds[0].channels[1].id;
    let other = sim.rest.post(&format!("/channels/{random}/messages"), json!({"content": "x"})).await;
    assert_eq!(other.0, StatusCode::OK);
}

#[tokio::test]
async fn a_global_limit_spares_interaction_endpoints() {
    let sim = Sim::start().await;
    sim.control.global_rate_limit(Duration::from_secs(30));
    let refused = sim.rest.send(Method::GET, "/users/@me", None).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["x-ratelimit-global"], "true");
    assert_eq!(refused.headers()["x-ratelimit-scope"], "global");
    let callback = sim.rest.post("/interactions/1/token/callback", json!({"type": 5})).await;
    assert_eq!(callback.1["code"], 10062);
}

#[tokio::test]
async fn more_than_fifty_requests_a_second_are_refused_globally() {
    let sim = Sim::start().await;
    let requests = (0..80).map(|_| sim.rest.send(Method::GET, "/users/@me", None));
    let refused = futures_util::future::join_all(requests)
        .await
        .into_iter()
        .filter(|response| response.headers().get("x-ratelimit-global").is_some())
        .count();
    assert!(refused >= 20, "{refused} of 80 were refused");
}

#[tokio::test]
async fn faults_happen_to_the_requests_they_name() {
    let sim = Sim::start().await;
    let path = format!("/channels/{}/messages", sim.general());
    let rule = |route: &str, times: u32, fault: Fault| FaultRule {
        method: Some("POST".to_owned()),
        route: route.to_owned(),
        times,
        fault,
    };
    sim.control.fault(rule("/channels/*/messages", 2, Fault::Status { status: 503, body: None })).unwrap();
    assert_eq!(sim.rest.get(&path).await.0, StatusCode::OK, "another method");
    assert_eq!(sim.rest.post(&path, json!({"content": "a"})).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(sim.rest.post(&path, json!({"content": "b"})).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(sim.rest.post(&path, json!({"content": "c"})).await.0, StatusCode::OK);
    let limit = Fault::RateLimit { retry_after: 0.5, scope: "shared".to_owned(), global: false };
    sim.control.fault(rule("/channels", 1, limit)).unwrap();
    let refused = sim.rest.send(Method::POST, &path, Some(json!({"content": "d"}))).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    // Applied, but the answer is lost: the message is there.
    let (status, _) = sim
        .rest
        .operate(
            "fault",
            json!({"method": "POST", "route": "/channels", "fault": {"kind": "applied_but", "status": 502}}),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(sim.rest.post(&path, json!({"content": "e"})).await.0, StatusCode::BAD_GATEWAY);
    let contents: Vec<Value> =
        sim.rest.get(&path).await.1.as_array().unwrap().iter().map(|one| one["content"].clone()).collect();
    assert_eq!(contents, ["e", "c"]);
    let statuses: Vec<u16> = sim.control.requests().iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [200, 503, 503, 200, 429, 502, 200]);
}
