//! Ways to somebody's own network, each of which would have worked: the cases of `ssrf.json`.

use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::routing::get;
use bailey_outbound::{FetchError, NameError, Reach, Request};
use serde::Deserialize;
use std::collections::HashMap;

use crate::support::{NameServer, Server, Zone, outbound};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    what: String,
    /// `{port}` is that of the server nobody may reach.
    url: String,
    /// What the plugin may reach; by default the address's own host, so that only where it leads decides.
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    hosts: Vec<String>,
    /// A server that may be reached sends it there.
    #[serde(default)]
    by_redirect: bool,
    /// Whether it leads to a server that listens, and would have got there without the check.
    #[serde(default)]
    would_arrive: bool,
    refused: Refused,
}

#[derive(Debug, Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Refused {
    Request,
    NotListed,
    OtherPort,
    NotPublic,
    Unknown,
}

fn zone() -> Zone {
    let fixed = |addresses: &[&'static str]| vec![addresses.to_vec()];
    HashMap::from([
        ("good.example", fixed(&["127.0.0.2"])),
        ("loop.evil.example", fixed(&["127.0.0.1"])),
        ("loop2.evil.example", fixed(&["127.0.0.53"])),
        ("loop6.evil.example", fixed(&["::1"])),
        ("mapped.evil.example", fixed(&["::ffff:127.0.0.1"])),
        ("compatible.evil.example", fixed(&["::127.0.0.1"])),
        ("nat64.evil.example", fixed(&["64:ff9b::7f00:1"])),
        ("sixtofour.evil.example", fixed(&["2002:7f00:1::1"])),
        ("teredo.evil.example", fixed(&["2001:0:7f00:1::1"])),
        ("ten.evil.example", fixed(&["10.0.0.1"])),
        ("seventeen.evil.example", fixed(&["172.16.0.1"])),
        ("home.evil.example", fixed(&["192.168.0.1"])),
        ("carrier.evil.example", fixed(&["100.64.0.1"])),
        ("metadata.evil.example", fixed(&["169.254.169.254"])),
        ("metadata6.evil.example", fixed(&["fd00:ec2::254"])),
        ("azure.evil.example", fixed(&["168.63.129.16"])),
        ("alibaba.evil.example", fixed(&["100.100.100.200"])),
        ("oracle.evil.example", fixed(&["192.0.0.192"])),
        ("zero.evil.example", fixed(&["0.0.0.0"])),
        ("zero6.evil.example", fixed(&["::"])),
        ("broadcast.evil.example", fixed(&["255.255.255.255"])),
        ("multicast.evil.example", fixed(&["224.0.0.1"])),
        ("multicast6.evil.example", fixed(&["ff02::1"])),
        ("linklocal6.evil.example", fixed(&["fe80::1"])),
        ("unique.evil.example", fixed(&["fc00::1"])),
        ("site.evil.example", fixed(&["fec0::1"])),
        ("reserved.evil.example", fixed(&["240.0.0.1"])),
        ("benchmark.evil.example", fixed(&["198.18.0.1"])),
        ("documentation.evil.example", fixed(&["192.0.2.1"])),
        ("mixed.evil.example", fixed(&["93.184.216.34", "127.0.0.1"])),
        ("mixed6.evil.example", fixed(&["93.184.216.34", "::1"])),
        ("alias.evil.example", fixed(&["loop.evil.example", "127.0.0.1"])),
        ("localhost", fixed(&["127.0.0.1"])),
        ("xn--bcher-kva.example", fixed(&["127.0.0.1"])),
        ("empty.evil.example", fixed(&[])),
    ])
}

fn refusal(error: &FetchError) -> Option<Refused> {
    Some(match error {
        FetchError::Request(_) => Refused::Request,
        FetchError::NotListed { .. } => Refused::NotListed,
        FetchError::OtherPort { .. } => Refused::OtherPort,
        FetchError::Name(NameError::NotPublic { .. }) => Refused::NotPublic,
        FetchError::Name(NameError::Unknown(_) | NameError::Silent(_)) => Refused::Unknown,
        _ => return None,
    })
}

#[tokio::test]
async fn no_way_leads_into_somebodys_own_network() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("ssrf.json")).unwrap();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let names = NameServer::start(zone()).await;
    let routes = || Router::new().fallback(async || "the inside");
    let inside = Server::start("0.0.0.0:0", routes()).await;
    let port = inside.port();
    let inside_6 = Server::start(&format!("[::1]:{port}"), routes()).await;
    let leads = Router::new().route(
        "/lead",
        get(async |Query(query): Query<HashMap<String, String>>| {
            (StatusCode::FOUND, [(LOCATION, query["to"].clone())])
        }),
    );
    let good = Server::start("127.0.0.2:0", leads).await;
    let way = format!("good.example:{}=127.0.0.2", good.port());
    let out = outbound(&names, std::slice::from_ref(&way));

    for case in &cases {
        let what = &case.what;
        let url = case.url.replace("{port}", &port.to_string());
        let mut domains: Vec<String> =
            case.domains.iter().map(|domain| domain.replace("{port}", &port.to_string())).collect();
        let hosts: Vec<_> = case.hosts.iter().map(|host| host.parse().unwrap()).collect();
        domains.push("good.example".to_owned());
        let reach = Reach::new(domains.iter().map(String::as_str), hosts.clone());
        let asked = if case.by_redirect {
            let lead = format!("http://good.example:{}/lead", good.port());
            let mut lead = url::Url::parse(&lead).unwrap();
            lead.query_pairs_mut().append_pair("to", &url);
            lead.to_string()
        } else {
            url.clone()
        };
        let outcome = match Request::new("GET", &asked, [], None) {
            Ok(request) => out.fetch("demo on 1", &reach, request).await,
            Err(error) => Err(error.into()),
        };
        let error = outcome.expect_err(&format!("{what}: {url} was let through"));
        assert_eq!(refusal(&error), Some(case.refused), "{what}: {url} gave {error:?}");
        assert_eq!((inside.hits(), inside_6.hits()), (0, 0), "{what}: {url} got inside");
    }

    // The same addresses by an operator who permits them: they do lead inside.
    let before = inside.hits() + inside_6.hits();
    let mut arrived = 0;
    for case in cases.iter().filter(|case| case.would_arrive) {
        let url = case.url.replace("{port}", &port.to_string());
        let request = Request::new("GET", &url, [], None).unwrap();
        let host = request.host().unwrap();
        let permit = |network: &str| match &host {
            bailey_outbound::Host::Address(std::net::IpAddr::V6(address)) => {
                format!("[{address}]:{port}={network}")
            }
            host => format!("{host}:{port}={network}"),
        };
        let open = outbound(&names, &["0.0.0.0/0", "::/0"].map(permit));
        let reach = Reach::new([], [host.clone()]);
        let answer = open.fetch("demo on 1", &reach, request).await;
        assert!(answer.is_ok(), "{}: {url} would not have arrived: {answer:?}", case.what);
        arrived += 1;
    }
    assert!(arrived >= 15, "only {arrived} would have arrived");
    assert_eq!(inside.hits() + inside_6.hits() - before, arrived);
}

/// A name that is somewhere harmless when it is looked at and inside when it is connected to.
#[tokio::test]
async fn the_address_that_was_looked_at_is_the_one_that_is_connected_to() {
    let names =
        NameServer::start(HashMap::from([("rebind.example", vec![vec!["127.0.0.2"], vec!["127.0.0.1"]])]))
            .await;
    let inside = Server::start("127.0.0.1:0", Router::new().fallback(async || "the inside")).await;
    let outside =
        Server::start(&format!("127.0.0.2:{}", inside.port()), Router::new().fallback(async || "outside"))
            .await;
    let out = outbound(&names, &[format!("rebind.example:{}=127.0.0.2", inside.port())]);
    let reach = Reach::new([], ["rebind.example".parse().unwrap()]);
    let url = format!("http://rebind.example:{}/", inside.port());
    let fetch = |asker| out.fetch(asker, &reach, Request::new("GET", &url, [], None).unwrap());
    let first = fetch("one").await.unwrap();
    assert_eq!(&first.body[..], b"outside");
    assert_eq!(names.asked("rebind.example"), 1, "looked up more than once for one connection");
    let second = fetch("two").await;
    assert!(matches!(second, Err(FetchError::Name(NameError::NotPublic { .. }))), "{second:?}");
    assert_eq!((outside.hits(), inside.hits()), (1, 0));
}
