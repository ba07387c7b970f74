//! Answers somebody wrote down.

use std::sync::Arc;

use bailey_outbound::fixtures::{Fixture, Fixtures};
use bailey_outbound::{
    FetchError, NameError, NameServers, Network, Outbound, OutboundConfig, Reach, Request, Trust,
};

fn canned(fixtures: &str) -> (Outbound, Arc<Fixtures>) {
    let all = Arc::new(Fixtures::default());
    for fixture in serde_json::from_str::<Vec<Fixture>>(fixtures).unwrap() {
        all.add(fixture).unwrap();
    }
    let out = Outbound::open(OutboundConfig {
        name_servers: NameServers::At(Vec::new()),
        permits: Vec::new(),
        trust: Trust::of_this_machine(Vec::new()).unwrap(),
        network: Network::Fixtures(Arc::clone(&all)),
    });
    (out.unwrap(), all)
}

async fn get(out: &Outbound, url: &str) -> Result<String, FetchError> {
    let reach = Reach::new(["example.com"], ["10.0.0.1".parse().unwrap()]);
    let answer = out.fetch("one", &reach, Request::new("GET", url, [], None)?).await?;
    Ok(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)))
}

#[tokio::test]
async fn what_was_written_down_is_answered_in_order_and_nothing_else() {
    let (out, all) = canned(
        r#"[{"url": "https://example.com/once", "times": 1, "status": 503},
            {"method": "GET", "url": "https://example.com/once", "body": "again"},
            {"url": "https://example.com/api/*", "json": {"a": 1}},
            {"url": "https://example.com/moved", "status": 302, "headers": {"location": "/api/x"}},
            {"url": "https://example.com/slow", "fails": "timeout"}]"#,
    );
    assert_eq!(get(&out, "https://example.com/once").await.unwrap(), "503 ");
    assert_eq!(get(&out, "https://example.com/once").await.unwrap(), "200 again");
    assert_eq!(get(&out, "https://example.com/moved").await.unwrap(), r#"200 {"a":1}"#);
    let slow = get(&out, "https://example.com/slow").await.unwrap_err();
    assert_eq!(slow.to_string(), "connect timeout");
    let none = get(&out, "https://example.com/none").await.unwrap_err();
    assert_eq!(none.to_string(), "no fixture answers GET https://example.com/none");
    // The rules are those of the internet.
    assert!(matches!(get(&out, "https://other.com/").await, Err(FetchError::NotListed { .. })));
    assert!(matches!(
        get(&out, "http://10.0.0.1/").await,
        Err(FetchError::Name(NameError::NotPublic { .. }))
    ));
    let asked: Vec<_> = all.seen().into_iter().map(|seen| seen.url).collect();
    assert_eq!(asked.len(), 6, "{asked:?}");
}

#[test]
fn a_fixture_that_cannot_be_given_is_refused() {
    for (fixture, says) in [
        (r#"{"url": "https://a.b", "status": 99}"#, "99 is no HTTP status"),
        (r#"{"url": "https://a.b", "headers": {"a b": "c"}}"#, "is no header"),
        (r#"{"url": "https://a.b", "body": "x", "json": 1}"#, "one of body, json and body_b64"),
        (r#"{"url": "https://a.b", "body_b64": "***"}"#, "is no base64"),
    ] {
        let error = Fixtures::default().add(serde_json::from_str(fixture).unwrap()).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    assert!(serde_json::from_str::<Fixture>(r#"{"url": "https://a.b", "sttus": 200}"#).is_err());
}
