//! A gateway client and a REST client that know nothing but the wire.

use std::time::Duration;

use bailey_sim::{ClockMode, Control, SimConfig, Simulator, World};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Everything that is not privileged, and everything that is.
pub(crate) const ALL_INTENTS: u64 = 0x1_ffff;
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Sim {
    pub(crate) simulator: Simulator,
    pub(crate) control: Control,
    pub(crate) rest: Rest,
}

impl Sim {
    /// The default world with a manual clock.
    pub(crate) async fn start() -> Self {
        Self::with(World::default_world()).await
    }

    pub(crate) async fn with(world: World) -> Self {
        let config = SimConfig { clock: ClockMode::manual(), seed: 7, world, ..SimConfig::default() };
        let simulator = Simulator::start(config).await.unwrap();
        let rest = Rest::new(&simulator.http_base(), &simulator.bot_token());
        Self { control: simulator.control(), rest, simulator }
    }

    pub(crate) async fn identified(&self) -> Gateway {
        self.identified_with(ALL_INTENTS).await
    }

    /// A client past READY and GUILD_CREATE.
    pub(crate) async fn identified_with(&self, intents: u64) -> Gateway {
        let mut gateway =
            Gateway::open(&format!("{}/?v=10&encoding=json", self.simulator.gateway_url())).await;
        gateway.identify(&self.simulator.bot_token(), intents).await;
        gateway.event("READY").await;
        gateway.event("GUILD_CREATE").await;
        gateway
    }

    /// Id of the default world's `#general`.
    pub(crate) fn general(&self) -> String {
        World::default_world().guilds[0].channels[0].id.to_string()
    }

    pub(crate) fn guild(&self) -> String {
        World::default_world().guilds[0].id.to_string()
    }

    pub(crate) fn application(&self) -> String {
        World::default_world().application.id.to_string()
    }

    /// Registers commands in the default server.
    pub(crate) async fn register(&self, commands: Value) -> Value {
        let path = format!("/applications/{}/guilds/{}/commands", self.application(), self.guild());
        let (status, body) = self.rest.call(Method::PUT, &path, Some(commands)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// Answers an interaction; gives status and body.
    pub(crate) async fn answer(&self, interaction: &Value, answer: Value) -> (StatusCode, Value) {
        let (id, token) = (interaction["id"].as_str().unwrap(), interaction["token"].as_str().unwrap());
        let path = format!("/interactions/{id}/{token}/callback?with_response=true");
        self.rest.call(Method::POST, &path, Some(answer)).await
    }

    pub(crate) fn webhook(&self, interaction: &Value, rest: &str) -> String {
        format!("/webhooks/{}/{}{rest}", self.application(), interaction["token"].as_str().unwrap())
    }
}

pub(crate) struct Rest {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    /// The header of that name.
    pub(crate) authorization: String,
}

impl Rest {
    pub(crate) fn new(base: &str, token: &str) -> Self {
        // Ignored when another test was first: it is the same provider.
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base: base.to_owned(), authorization: format!("Bot {token}") }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v10{path}", self.base);
        self.http.request(method, url).header("Authorization", &self.authorization)
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Response {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        request.send().await.unwrap()
    }

    /// Status and JSON body (`null` when there is none). Waits out rate limits, as clients must.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let response = loop {
            let response = self.send(method.clone(), path, body.clone()).await;
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                break response;
            }
            let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            tokio::time::sleep(Duration::from_secs_f64(body["retry_after"].as_f64().unwrap())).await;
        };
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    /// An operation of the control side over HTTP.
    pub(crate) async fn operate(&self, operation: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}/sim/api/{operation}", self.base);
        let request = self.http.post(url).header("Content-Type", "application/json").body(body.to_string());
        let response = request.send().await.unwrap();
        let status = response.status();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }
}

enum Unpack {
    Plain,
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
    Zlib(flate2::write::ZlibDecoder<Vec<u8>>),
}

pub(crate) struct Gateway {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    unpack: Unpack,
    pub(crate) sequence: u64,
    pub(crate) hello: Value,
    /// Compressed frames seen.
    pub(crate) binary: usize,
    /// Whether a sequence number may come twice.
    pub(crate) duplicates: bool,
}

/// What comes out of a gateway connection.
#[derive(Debug)]
pub(crate) enum Heard {
    Frame(Value),
    Closed(Option<u16>),
}

impl Gateway {
    pub(crate) async fn open(url: &str) -> Self {
        let (socket, _) = connect_async(url).await.unwrap();
        let unpack = if url.contains("zstd-stream") {
            Unpack::Zstd(zstd::stream::write::Decoder::new(Vec::new()).unwrap())
        } else if url.contains("zlib-stream") {
            Unpack::Zlib(flate2::write::ZlibDecoder::new(Vec::new()))
        } else {
            Unpack::Plain
        };
        let mut gateway =
            Self { socket, unpack, sequence: 0, hello: Value::Null, binary: 0, duplicates: false };
        gateway.hello = gateway.frame().await;
        assert_eq!(gateway.hello["op"], 10);
        gateway
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn identify(&mut self, token: &str, intents: u64) {
        let properties = json!({"os": "linux", "browser": "test", "device": "test"});
        let identify = json!({"token": token, "intents": intents, "properties": properties});
        self.send(json!({"op": 2, "d": identify})).await;
    }

    pub(crate) async fn hear(&mut self) -> Heard {
        use std::io::Write;
        loop {
            let message =
                tokio::time::timeout(DEADLINE, self.socket.next()).await.expect("the gateway says nothing");
            let bytes = match message {
                None | Some(Err(_)) => return Heard::Closed(None),
                Some(Ok(Message::Close(frame))) => {
                    return Heard::Closed(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
                Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
                Some(Ok(_)) => continue,
            };
            let text = match &mut self.unpack {
                Unpack::Plain => bytes,
                Unpack::Zstd(decoder) => {
                    self.binary += 1;
                    decoder.write_all(&bytes).unwrap();
                    decoder.flush().unwrap();
                    std::mem::take(decoder.get_mut())
                }
                Unpack::Zlib(decoder) => {
                    self.binary += 1;
                    decoder.write_all(&bytes).unwrap();
                    decoder.flush().unwrap();
                    std::mem::take(decoder.get_mut())
                }
            };
            let frame: Value = serde_json::from_slice(&text).unwrap();
            if let Some(sequence) = frame["s"].as_u64() {
                assert!(
                    sequence > self.sequence || (self.duplicates && sequence == self.sequence),
                    "sequence numbers only grow"
                );
                self.sequence = sequence;
            }
            return Heard::Frame(frame);
        }
    }

    pub(crate) async fn frame(&mut self) -> Value {
        match self.hear().await {
            Heard::Frame(frame) => frame,
            Heard::Closed(code) => panic!("the gateway closed with {code:?}"),
        }
    }

    /// The next frame, which must be this dispatch; gives its data.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        let frame = self.frame().await;
        assert_eq!(frame["t"], name, "{frame}");
        frame["d"].clone()
    }

    /// The code the connection closes with; frames before it are skipped.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Heard::Closed(code) = self.hear().await {
                return code;
            }
        }
    }

    pub(crate) async fn close(mut self, code: u16) {
        let frame =
            tokio_tungstenite::tungstenite::protocol::CloseFrame { code: code.into(), reason: "".into() };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

/// A message said as alice in the default channel.
pub(crate) fn say(content: &str) -> bailey_sim::Say {
    bailey_sim::Say { content: content.to_owned(), ..Default::default() }
}

/// A command used as alice.
pub(crate) fn using(name: &str, options: Value) -> bailey_sim::CommandUse {
    let options = options.as_object().cloned().unwrap_or_default();
    bailey_sim::CommandUse { name: name.to_owned(), options, ..Default::default() }
}
