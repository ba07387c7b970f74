//! Answers a jail: `CONNECT` for TLS, whole addresses for plain HTTP.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use hyper::http::uri::PathAndQuery;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Gate, GateError};
use crate::index::Target;
use crate::limits;

type Body = BoxBody<Bytes, hyper::Error>;

/// Headers that are about one connection, not about what is asked; and those about a body, which a
/// question has none of.
#[rustfmt::skip]
const OF_ONE_CONNECTION: &[&str] = &[
    "connection", "content-length", "expect", "keep-alive", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
];

impl Gate {
    /// Answers on a socket of a jail until dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) -> std::io::Result<Infallible> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let free = Arc::new(Semaphore::new(limits::JAIL_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let place = Arc::clone(&free).acquire_owned().await.map_err(std::io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            while connections.try_join_next().is_some() {}
            let gate = Arc::clone(&self);
            connections.spawn(async move {
                gate.converse(stream).await;
                drop(place);
            });
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream) {
        // What goes on beside the answers: tunnels, and connections to the index. Ends with us.
        let beside = Arc::new(Mutex::new(JoinSet::new()));
        let service = service_fn(|request| {
            let (gate, beside) = (Arc::clone(&self), Arc::clone(&beside));
            async move { Ok::<_, Infallible>(gate.answer(request, &beside).await.unwrap_or_else(refusal)) }
        });
        let conversation = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = conversation.await {
            tracing::debug!(%error, "a conversation with a jail broke off");
        }
        let mut tunnels = std::mem::take(&mut *beside.lock().unwrap_or_else(PoisonError::into_inner));
        while tunnels.join_next().await.is_some() {}
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        beside: &Mutex<JoinSet<()>>,
    ) -> Result<Response<Body>, GateError> {
        let together = |task| {
            beside.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
        };
        let secure = request.method() == Method::CONNECT;
        let Some(target) = target_of(request.uri(), secure) else {
            return Ok(words(StatusCode::BAD_REQUEST, "this is a proxy for a package index"));
        };
        if secure {
            let mut connection = self.connect(&target, true).await?;
            let tunnel: futures_util::future::BoxFuture<'static, ()> = Box::pin(async move {
                if let Ok(upgraded) = hyper::upgrade::on(request).await {
                    let mut jail = TokioIo::new(upgraded);
                    let _either_side_may_close =
                        tokio::io::copy_bidirectional(&mut jail, &mut connection.stream).await;
                }
            });
            together(tunnel);
            return Ok(words(StatusCode::OK, ""));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(words(StatusCode::METHOD_NOT_ALLOWED, "an index is only read"));
        }
        let connection = self.connect(&target, false).await?;
        let unreachable = |error: hyper::Error| GateError::Unreachable(target.clone(), error.to_string());
        let credentials = connection.through.as_ref().map(|proxy| proxy.basic_auth());
        let request = forwarded(&request, &target, credentials)
            .map_err(|error| GateError::Unreachable(target.clone(), error.to_string()))?;
        let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(connection.stream))
            .await
            .map_err(unreachable)?;
        together(Box::pin(async move {
            let _the_answer_tells = driver.await;
        }));
        let response = sender.send_request(request).await.map_err(unreachable)?;
        Ok(response.map(BodyExt::boxed))
    }
}

/// Host and port of `host:port` or of a whole address.
fn target_of(uri: &Uri, secure: bool) -> Option<Target> {
    let host = uri.host().filter(|_| uri.to_string().len() <= limits::TARGET_BYTES)?;
    let port = match (secure, uri.scheme_str()) {
        (true, None) => uri.port_u16()?,
        (false, Some("http")) => uri.port_u16().unwrap_or(80),
        _ => return None,
    };
    Some(Target::new(host, port))
}

/// The request as the index (`through` is `None`) or a further proxy wants it, written anew: what is asked of
/// whom is decided by the target alone, and nothing follows that another might read as a second request.
fn forwarded<B>(
    asked: &Request<B>,
    target: &Target,
    through: Option<Option<&HeaderValue>>,
) -> hyper::http::Result<Request<Empty<Bytes>>> {
    let host = target.host_header(false);
    let path = asked.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let place = match through {
        Some(_) => Uri::builder().scheme("http").authority(host.as_str()).path_and_query(path).build()?,
        None => path.parse()?,
    };
    let mut request =
        Request::builder().method(asked.method()).uri(place).header(HOST, host).body(Empty::new())?;
    let named = asked.headers().get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = named.flat_map(|words| words.split(',')).map(str::trim).collect();
    let is_theirs = |name: &HeaderName| {
        name == HOST
            || OF_ONE_CONNECTION.contains(&name.as_str())
            || named.iter().any(|other| name.as_str().eq_ignore_ascii_case(other))
    };
    for (name, value) in asked.headers().iter().filter(|(name, _)| !is_theirs(name)) {
        request.headers_mut().append(name, value.clone());
    }
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(Some(credentials)) = through {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credentials.clone());
    }
    Ok(request)
}

fn refusal(error: GateError) -> Response<Body> {
    let status = match error {
        GateError::Unreachable(..) => StatusCode::BAD_GATEWAY,
        GateError::NotTheIndex(_) | GateError::NoPlaceForAnIndex(..) => StatusCode::FORBIDDEN,
    };
    words(status, &error.to_string())
}

fn words(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(text.to_owned())).map_err(|never: Infallible| match never {});
    let mut response = Response::new(body.boxed());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str, headers: &[(&str, &str)]) -> Request<&'static str> {
        let request = headers
            .iter()
            .fold(Request::builder().uri(uri), |request, (name, value)| request.header(*name, *value));
        request.body("GET http://elsewhere.example/ HTTP/1.1\r\n\r\n").unwrap()
    }

    #[test]
    fn nothing_of_a_request_can_be_read_as_a_second_one() {
        let headers = [
            ("host", "elsewhere.example"),
            ("content-length", "4"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("proxy-authorization", "Basic theirs"),
            ("accept", "*/*"),
        ];
        let target = Target::new("index.example", 8080);
        let ours = HeaderValue::from_static("Basic ours");
        let request = asked("http://a@INDEX.example.:8080/simple/?x=1", &headers);
        for (through, uri) in
            [(None, "/simple/?x=1"), (Some(Some(&ours)), "http://index.example:8080/simple/?x=1")]
        {
            let forwarded = forwarded(&request, &target, through).unwrap();
            assert_eq!(forwarded.uri(), uri);
            let mut lines: Vec<String> = (forwarded.headers().iter())
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            lines.sort();
            let mut wanted = vec!["accept: */*", "connection: close", "host: index.example:8080"];
            wanted.extend(through.map(|_| "proxy-authorization: Basic ours"));
            assert_eq!(lines, wanted);
        }
    }

    #[test]
    fn only_whole_addresses_and_pairs_are_targets() {
        let target =
            |text: &str, secure| target_of(&text.parse().unwrap(), secure).map(|target| target.to_string());
        assert_eq!(target("http://[::1]:81/x", false).as_deref(), Some("[::1]:81"));
        assert_eq!(target("http://pypi.org@169.254.169.254/x", false).as_deref(), Some("169.254.169.254:80"));
        assert_eq!(target("[fe80::1]:443", true).as_deref(), Some("[fe80::1]:443"));
        assert_eq!(target("/simple/", false), None);
        assert_eq!(target("https://pypi.org/", false), None);
        assert_eq!(target("pypi.org", true), None, "without a port");
    }
}
