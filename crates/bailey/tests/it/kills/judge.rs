//! Holds what hosts wrote down (each event taken in, delivered, acknowledged, put aside) against what the plugin
//! wrote down in its tables (each delivery, and the content), and both against the promises.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use bailey_protocol::limits;
use serde_json::Value;
use tokio_postgres::{Client, Config, NoTls};

/// A message, by its id, with the number in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) message: String,
    pub(crate) number: u64,
}

/// What hosts saw of one event.
#[derive(Debug, Default)]
struct Known {
    host: usize,
    server: String,
    number: Option<u64>,
    deliveries: u64,
    attempts: u64,
    acked: bool,
    failed: bool,
    put_aside: bool,
    /// It came while the host had stopped deliveries: counted, which is all that is promised then.
    refused: bool,
    /// Something that must not be, in words.
    wrong: Option<String>,
}

impl Known {
    fn is_settled(&self) -> bool {
        self.acked || self.put_aside || self.refused
    }
}

/// The judge of a whole run.
pub(crate) struct Judge {
    admin: Config,
    trace: PathBuf,
    read_to: u64,
    host: usize,
    host_is_alive: bool,
    events: HashMap<String, Known>,
    /// The process of each session that lives.
    alive: BTreeMap<String, i32>,
    said: usize,
    /// Messages a host that lives must have been told of.
    owed: HashSet<String>,
    unheard: HashSet<String>,
}

impl Judge {
    pub(crate) fn new(admin: Config) -> Self {
        Self {
            admin,
            trace: PathBuf::new(),
            read_to: 0,
            host: 0,
            host_is_alive: false,
            events: HashMap::new(),
            alive: BTreeMap::new(),
            said: 0,
            owed: HashSet::new(),
            unheard: HashSet::new(),
        }
    }

    pub(crate) fn host_started(&mut self, trace: PathBuf) {
        (self.trace, self.read_to, self.host_is_alive) = (trace, 0, true);
        self.host += 1;
        self.alive.clear();
    }

    /// The host was killed: what it had seen until then is in its trace.
    pub(crate) async fn host_died(&mut self) {
        self.read();
        self.host_is_alive = false;
        self.alive.clear();
    }

    /// Messages that were said; `heard` if a host was there the whole time and lives on.
    pub(crate) fn said(&mut self, said: Vec<Said>, heard: bool) {
        self.said += said.len();
        let messages = said.into_iter().map(|said| said.message);
        if heard { self.owed.extend(messages) } else { self.unheard.extend(messages) }
    }

    /// Reads on in the trace of the present host.
    pub(crate) fn read(&mut self) {
        let Ok(mut file) = std::fs::File::open(&self.trace) else { return };
        let mut text = String::new();
        file.seek(SeekFrom::Start(self.read_to)).unwrap();
        file.read_to_string(&mut text).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read_to += whole as u64;
        for line in text[..whole].lines() {
            self.take(&serde_json::from_str(line).unwrap());
        }
    }

    fn take(&mut self, line: &Value) {
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        let what = text("what");
        match what {
            "started" => {
                self.alive.insert(text("server").to_owned(), line["pid"].as_i64().unwrap() as i32);
                return;
            }
            "ended" => {
                self.alive.remove(text("server"));
                return;
            }
            _ => {}
        }
        let Some(message) = text("event").strip_prefix("message_create-") else { return };
        let host = self.host;
        let known = self.events.entry(message.to_owned()).or_default();
        let before = (known.acked, known.put_aside, known.host);
        match what {
            "taken" => {
                known.number = text("content").strip_prefix('n').and_then(|number| number.parse().ok());
                known.host = host;
                known.server = text("server").to_owned();
            }
            "delivered" => {
                known.deliveries += 1;
                known.attempts = known.attempts.max(line["attempt"].as_u64().unwrap());
                if before.0 {
                    known.wrong = Some("it was delivered after it had been acknowledged".to_owned());
                } else if before.1 {
                    known.wrong = Some("it was delivered after it had been put aside".to_owned());
                } else if known.refused {
                    known.wrong = Some("it was delivered after it had been refused".to_owned());
                } else if before.2 != host {
                    known.wrong = Some(format!("host {host} delivered what host {} was told", before.2));
                }
            }
            "acked" => known.acked = true,
            "failed" => known.failed = true,
            "put_aside" => known.put_aside = true,
            "refused" => known.refused = true,
            other => panic!("what is {other}?"),
        }
    }

    /// Whether the present host has heard everything it must, and is done with everything it heard.
    pub(crate) fn is_settled(&self) -> bool {
        self.owed.iter().all(|message| self.events.contains_key(message))
            && self.events.values().all(|known| known.host != self.host || known.is_settled())
    }

    pub(crate) fn unsettled(&self) -> String {
        let unheard = self.owed.iter().filter(|message| !self.events.contains_key(*message)).count();
        let open: Vec<_> = self
            .events
            .iter()
            .filter(|(_, known)| known.host == self.host && !known.is_settled())
            .take(5)
            .collect();
        format!(
            "{unheard} messages did not reach the host; it is not done with {open:?}; processes {:?}",
            self.alive
        )
    }

    /// Servers and the processes of plugins that live there, by what the host saw last; only those with work in hand if so wanted.
    pub(crate) fn processes(&self, busy: bool) -> Vec<(String, i32)> {
        let has_work = |server: &String| {
            self.events.values().any(|known| {
                known.host == self.host
                    && known.server == *server
                    && known.deliveries > 0
                    && !known.is_settled()
            })
        };
        let fit = self.alive.iter().filter(|(server, _)| !busy || has_work(server));
        fit.map(|(server, pid)| (server.clone(), *pid)).collect()
    }

    pub(crate) async fn check(&mut self, seed: u64) {
        let (ledger, deliveries) = self.written_down().await;
        for (message, known) in &self.events {
            let about = || format!("seed {seed}, message {message}: {known:?}");
            assert!(known.wrong.is_none(), "{}", about());
            let most = u64::from(limits::DELIVERY_ATTEMPTS);
            assert!(known.attempts <= most && known.deliveries <= most, "too many attempts; {}", about());
            if !known.acked {
                continue;
            }
            // The plugin waits for its database; only one that gave up says it failed.
            if !known.failed {
                let row = ledger.get(message.as_str());
                assert_eq!(row.copied(), known.number, "acknowledged, and its row is not there; {}", about());
            }
            let counted = deliveries.get(message.as_str()).copied().unwrap_or(0);
            assert!(counted <= known.deliveries, "the plugin saw it {counted} times; {}", about());
        }
        self.owed.clear();
    }

    pub(crate) fn tally(&self) -> String {
        let count = |wanted: fn(&Known) -> bool| self.events.values().filter(|known| wanted(known)).count();
        let host = self.host;
        let with_host = self
            .events
            .values()
            .filter(|known| !known.is_settled() && (known.host != host || !self.host_is_alive));
        let never = self.unheard.iter().filter(|message| !self.events.contains_key(*message)).count();
        format!(
            "{} said, {} taken in, {} acknowledged ({} failed, {} after more than one delivery), {} put aside, \
             {} refused, {} died with their host, {never} said while no host listened; {host} hosts",
            self.said,
            self.events.len(),
            count(|known| known.acked),
            count(|known| known.failed),
            count(|known| known.deliveries > 1),
            count(|known| known.put_aside),
            count(|known| known.refused),
            with_host.count(),
        )
    }

    /// The plugin's tables, read past everything that keeps its servers apart: numbers by message, and how
    /// often each was delivered.
    async fn written_down(&self) -> (HashMap<String, u64>, HashMap<String, u64>) {
        let (client, connection) = self.admin.connect(NoTls).await.unwrap();
        let reading = async {
            let mut ledger = HashMap::new();
            if let Some(table) = table_with(&client, "ledger_event").await {
                let sql = format!("SELECT ledger_event, number::bigint FROM {table}");
                for row in client.query(&sql, &[]).await.unwrap() {
                    let twice = ledger.insert(row.get(0), row.get::<_, i64>(1) as u64);
                    assert!(twice.is_none(), "one message has two rows");
                }
            }
            let mut deliveries = HashMap::new();
            if let Some(table) = table_with(&client, "delivered_event").await {
                let sql = format!("SELECT delivered_event, count(*) FROM {table} GROUP BY 1");
                for row in client.query(&sql, &[]).await.unwrap() {
                    deliveries.insert(row.get(0), row.get::<_, i64>(1) as u64);
                }
            }
            (ledger, deliveries)
        };
        tokio::select! {
            read = reading => read,
            ended = connection => panic!("PostgreSQL hung up: {ended:?}"),
        }
    }
}

/// The table that has a column of this name, fit to stand in a statement.
async fn table_with(client: &Client, column: &str) -> Option<String> {
    const SQL: &str =
        "SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                       WHERE attname = $1 AND relkind = 'r'";
    client.query_opt(SQL, &[&column]).await.unwrap().map(|row| row.get(0))
}
