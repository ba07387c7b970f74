//! The parts of the play: a simulated Discord and its talkative people, a host that dies and is replaced, a
//! PostgreSQL that dies and comes back.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bailey_store::{Cluster, ClusterConfig};
use bailey_testkit::{fixture, postgres};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::judge::{Judge, Said};
use super::remains::{self, Mark};
use super::{Victim, moment};
use crate::support::{PATIENCE, Running, Sim, bailey, data_directory, database_url, sql_database_url};

/// The whole of it.
pub(crate) struct Scene {
    sim: Arc<Sim>,
    servers: Vec<String>,
    folder: TempDir,
    cluster: Option<Cluster>,
    cluster_folder: TempDir,
    urls: (String, String),
    host: Option<Host>,
    hosts: usize,
    dead: Vec<Mark>,
    mounts: HashSet<String>,
    judge: Judge,
    deaths: BTreeMap<String, usize>,
    /// How often a plugin's process was killed on a server, by the present host's count.
    died: BTreeMap<String, usize>,
    seed: u64,
    talks: u64,
}

struct Host {
    running: Running,
    mark: Mark,
}

/// People who talk until they are told to stop.
struct Talk {
    stop: Arc<AtomicBool>,
    said: JoinSet<Vec<Said>>,
}

impl Scene {
    pub(crate) async fn set(servers: u16, seed: u64) -> Self {
        let cluster_folder = postgres::scratch_directory();
        let cluster = Cluster::start(ClusterConfig::kept(cluster_folder.path())).await.unwrap();
        let script = bailey().arg("sql-hardening").output().await.unwrap().stdout;
        cluster.administer_sql(&String::from_utf8(script).unwrap()).await.unwrap();
        let urls = (database_url(&cluster), sql_database_url(&cluster));
        let mut admin = cluster.urls().sql.unwrap();
        admin.user("bailey_admin");
        let sim = Arc::new(Sim::start(servers).await);
        let servers = sim.people.servers().await;
        let mut scene = Self {
            sim,
            servers,
            folder: data_directory(),
            cluster: Some(cluster),
            cluster_folder,
            urls,
            host: None,
            hosts: 0,
            dead: Vec::new(),
            mounts: remains::mounts(),
            judge: Judge::new(admin),
            deaths: BTreeMap::new(),
            died: BTreeMap::new(),
            seed,
            talks: 0,
        };
        scene.start_host(true).await;
        scene
    }

    /// One death at a random moment, and what it takes to go on.
    pub(crate) async fn play(&mut self, victim: Victim, rng: &mut StdRng) {
        *self.deaths.entry(format!("{victim:?}")).or_default() += 1;
        let talk = self.talk();
        tokio::time::sleep(moment(rng, 1200)).await;
        match victim {
            Victim::Host => {
                let host = self.host.take().unwrap();
                host.running.signal(Signal::KILL);
                let _killed = host.running.ended().await;
                self.judge.host_died().await;
                self.dead.push(host.mark);
                tokio::time::sleep(moment(rng, 300)).await;
                // What is said from here to the new host's readiness reaches nobody for sure.
                let said = talk.end().await;
                self.judge.said(said, false);
                self.start_host(false).await;
                remains::must_be_gone(&self.dead, &self.mounts).await;
                let talk = self.talk();
                tokio::time::sleep(moment(rng, 500)).await;
                self.judge.said(talk.end().await, true);
                return;
            }
            Victim::Plugin => {
                self.kill_plugin(rng).await;
            }
            Victim::Postgres => self.kill_postgres(rng).await,
            Victim::Start => self.kill_a_start(rng).await,
        }
        tokio::time::sleep(moment(rng, 500)).await;
        self.judge.said(talk.end().await, true);
    }

    /// Waits until the host has done with everything that reached it.
    pub(crate) async fn settle(&mut self) {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        let settling = async {
            loop {
                looks.tick().await;
                self.judge.read();
                if self.judge.is_settled() {
                    return;
                }
            }
        };
        let settled = tokio::time::timeout(PATIENCE, settling).await;
        assert!(settled.is_ok(), "seed {}: never settled: {}", self.seed, self.judge.unsettled());
    }

    /// Holds what the host and the plugin wrote down against the promises.
    pub(crate) async fn check(&mut self) {
        self.judge.check(self.seed).await;
    }

    pub(crate) fn tally(&self) -> String {
        format!("{}; deaths {:?}", self.judge.tally(), self.deaths)
    }

    /// A stop in good order at the end.
    pub(crate) async fn end(&mut self) {
        let host = self.host.take().unwrap();
        let ended = host.running.end_by(Signal::TERM).await;
        assert!(ended.success(), "{ended}");
        self.dead.push(host.mark);
        remains::must_be_gone(&self.dead, &self.mounts).await;
        self.judge.read();
        self.judge.check(self.seed).await;
        self.cluster.take().unwrap().stop().await.unwrap();
    }

    async fn start_host(&mut self, first: bool) {
        self.hosts += 1;
        let trace = self.folder.path().join(format!("trace-{}.jsonl", self.hosts));
        let plugin = fixture("ledger");
        let mut command = bailey();
        command.args(["serve", "--discord-url", &self.sim.people.base]);
        command.args(["--database-url", &self.urls.0, "--sql-database-url", &self.urls.1, "--trace"]);
        command.arg(&trace).env("BAILEY_DISCORD_TOKEN", &self.sim.token);
        command.env("BAILEY_DATA_DIR", self.folder.path()).env("BAILEY_LOG", "error");
        if first {
            command.arg("--plugin").arg(plugin);
            self.servers.iter().for_each(|server| {
                command.args(["--server", server]);
            });
        }
        command.stderr(self.log());
        let mut running = Running::start(&mut command);
        let mark = Mark::of(running.pid());
        self.judge.host_started(trace);
        self.died.clear();
        running.line_with("Bailey serves 1 plugin").await;
        self.host = Some(Host { running, mark });
    }

    /// Where hosts write what they have to say, for people who look at a failure.
    fn log(&self) -> Stdio {
        let path: PathBuf = self.folder.path().join("hosts.log");
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.into()
    }

    /// Lets people talk, on every server, in bursts.
    fn talk(&mut self) -> Talk {
        self.talks += 1;
        let stop = Arc::new(AtomicBool::new(false));
        let (sim, servers, stopped) = (Arc::clone(&self.sim), self.servers.clone(), Arc::clone(&stop));
        let mut rng = StdRng::seed_from_u64(self.seed ^ (self.talks << 32));
        let mut number = self.talks * 100_000;
        let mut said = JoinSet::new();
        said.spawn(async move {
            let mut said = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..rng.random_range(1..6) {
                    number += 1;
                    let server = &servers[rng.random_range(0..servers.len())];
                    let what = json!({"content": format!("n{number}"), "guild": server});
                    said.push(Said { message: sim.people.say(what).await, number });
                }
                tokio::time::sleep(Duration::from_millis(rng.random_range(20..150))).await;
            }
            said
        });
        Talk { stop, said }
    }

    /// Kills a plugin's process; in two of three cases one that has an event in hand.
    async fn kill_plugin(&mut self, rng: &mut StdRng) {
        let busy = rng.random_range(0..3) > 0;
        let waiting = async {
            loop {
                self.judge.read();
                let fit = self.judge.processes(busy);
                // Who died least is next: a plugin that dies too often is left alone by its host.
                let deaths = |server: &str| self.died.get(server).copied().unwrap_or(0);
                if let Some((server, pid)) = fit.into_iter().min_by_key(|(server, _)| deaths(server)) {
                    return (server, pid);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, waiting).await;
        let (server, pid) = found.expect("no plugin came to life");
        *self.died.entry(server).or_default() += 1;
        kill(pid);
    }

    async fn kill_postgres(&mut self, rng: &mut StdRng) {
        let cluster = self.cluster.take().unwrap();
        let postmaster = cluster.process_id() as i32;
        let own = remains::children(postmaster);
        kill(postmaster);
        own.into_iter().for_each(kill);
        drop(cluster); // it finds its server gone
        tokio::time::sleep(moment(rng, 700)).await;
        let config = ClusterConfig::kept(self.cluster_folder.path());
        self.cluster = Some(Cluster::start(config).await.unwrap());
    }

    /// Kills a plugin, and then the next process the host starts, while it is being started.
    async fn kill_a_start(&mut self, rng: &mut StdRng) {
        let host = self.host.as_ref().unwrap().running.pid();
        let before: HashSet<i32> = remains::children(host).into_iter().collect();
        self.kill_plugin(rng).await;
        let mercy = Duration::from_micros(rng.random_range(0..30_000));
        let hunting = async {
            loop {
                if let Some(found) = remains::children(host).into_iter().find(|pid| !before.contains(pid)) {
                    tokio::time::sleep(mercy).await;
                    kill(found);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, hunting).await.expect("the host started nothing");
    }
}

impl Talk {
    async fn end(mut self) -> Vec<Said> {
        self.stop.store(true, Ordering::Relaxed);
        self.said.join_next().await.unwrap().unwrap()
    }
}

/// Kills for good; what has gone already is no matter.
fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _gone = kill_process(pid, Signal::KILL);
    }
}
