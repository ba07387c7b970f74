//! A name server and HTTP servers on loopback.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use bailey_outbound::{NameServers, Network, Outbound, OutboundConfig, Permit, Trust};
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType, rdata};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// What a name server says of each name: one list of addresses per time it is asked, the last one from then on.
pub(crate) type Zone = HashMap<&'static str, Vec<Vec<&'static str>>>;

/// A name server that says what a zone says.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

impl NameServer {
    pub(crate) async fn start(zone: Zone) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let stop = CancellationToken::new();
        let (noting, stopped) = (Arc::clone(&asked), stop.clone());
        TaskTracker::new().spawn(async move {
            let mut buffer = [0; 4096];
            let mut times: HashMap<String, usize> = HashMap::new();
            loop {
                let received = tokio::select! {
                    received = socket.recv_from(&mut buffer) => received,
                    () = stopped.cancelled() => return,
                };
                let Ok((length, from)) = received else { return };
                let query = Message::from_vec(&buffer[..length]).unwrap();
                let answer = answer(&zone, &query, &mut times, &noting);
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        Self { address, asked, _stop: stop.drop_guard() }
    }

    /// How often the addresses (IPv4) of a name were asked for.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == name).count()
    }
}

fn answer(
    zone: &Zone,
    query: &Message,
    times: &mut HashMap<String, usize>,
    asked: &Mutex<Vec<String>>,
) -> Message {
    let question = query.queries[0].clone();
    let name = question.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let mut message = Message::response(query.metadata.id, OpCode::Query);
    message.add_query(question.clone());
    let Some(answers) = zone.get(name.as_str()) else {
        message.metadata.response_code = ResponseCode::NXDomain;
        return message;
    };
    let turn = times.get(&name).copied().unwrap_or(0);
    if question.query_type() == RecordType::A {
        asked.lock().unwrap().push(name.clone());
        times.insert(name, turn + 1);
    }
    for address in &answers[turn.min(answers.len() - 1)] {
        let data = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if question.query_type() == RecordType::A => RData::A(rdata::A(address)),
            Ok(IpAddr::V6(address)) if question.query_type() == RecordType::AAAA => {
                RData::AAAA(rdata::AAAA(address))
            }
            Ok(_) => continue,
            Err(_) => RData::CNAME(rdata::CNAME(Name::from_ascii(format!("{address}.")).unwrap())),
        };
        message.add_answer(Record::from_rdata(question.name().clone(), 0, data));
    }
    message
}

/// An HTTP server on loopback, and how often it was asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    hits: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl Server {
    pub(crate) async fn start(at: &str, routes: Router) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let hits: Arc<AtomicUsize> = Arc::default();
        let stop = CancellationToken::new();
        let (counting, stopped) = (Arc::clone(&hits), stop.clone());
        let routes =
            routes.layer(axum::middleware::from_fn(move |request: Request, next: axum::middleware::Next| {
                counting.fetch_add(1, Ordering::Relaxed);
                next.run(request)
            }));
        TaskTracker::new().spawn(async move {
            axum::serve(listener, routes).with_graceful_shutdown(stopped.cancelled_owned()).await.unwrap();
        });
        Self { address, hits, _stop: stop.drop_guard() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::Relaxed)
    }
}

/// The way out to those servers.
pub(crate) fn outbound(names: &NameServer, permits: &[String]) -> Outbound {
    let permits = permits.iter().map(|permit| permit.parse::<Permit>().unwrap()).collect();
    Outbound::open(OutboundConfig {
        name_servers: NameServers::At(vec![names.address]),
        permits,
        trust: Trust::of_this_machine(Vec::new()).unwrap(),
        network: Network::Internet,
    })
    .unwrap()
}
