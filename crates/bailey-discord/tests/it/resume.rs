//! A gateway goes on where another one stood, in another process: nothing is missed, nothing that was handed on comes
//! again, and what is known of the servers is what it was.

use std::sync::Arc;

use bailey_discord::{
    Checkpoint, Directory, DiscordConfig, Gateway, GatewayState, GatewayStatus, Position, ResumePoint,
    ShardId,
};
use bailey_protocol::{Event, EventKind};
use bailey_sim::{Administer, Change, Control, Say, Simulator, World};
use tokio::sync::{mpsc, watch};

use crate::support::{PATIENCE, Still, channel, config, reached, simulator};

/// A simulated Discord that gateways come to and leave.
struct Scene {
    control: Control,
    config: DiscordConfig,
    _simulator: Simulator,
}

/// One process's gateway. Dropping it is dying.
struct Process {
    gateway: Gateway,
    status: watch::Receiver<GatewayStatus>,
    directory: Directory,
    events: mpsc::Receiver<Event>,
}

impl Scene {
    async fn set() -> Self {
        let simulator = simulator(World::default_world()).await;
        Self { control: simulator.control(), config: config(&simulator), _simulator: simulator }
    }

    async fn process(
        &self,
        directory: Directory,
        point: Option<ResumePoint>,
        position: Option<Position>,
    ) -> Process {
        let (sink, events) = mpsc::channel(1);
        let gateway =
            Gateway::resume(&self.config, sink, Arc::new(Still), directory.clone(), point, position);
        let mut status = gateway.status();
        reached(&mut status, |status| status.state == GatewayState::Ready && status.guilds == 1).await;
        Process { status, gateway, directory, events }
    }

    /// Another gateway from this account on, with the directory written down and read again.
    async fn go_on(&self, point: &ResumePoint, directory: &Directory) -> Process {
        let read_again = Directory::new();
        read_again.restore(&directory.to_bytes().unwrap(), ShardId::ONE).unwrap();
        let written = serde_json::to_string(point).unwrap();
        self.process(read_again, Some(serde_json::from_str(&written).unwrap()), None).await
    }

    fn say(&self, content: &str) {
        self.control.say(Say { content: content.to_owned(), ..Say::default() }).unwrap();
    }

    fn rename(&self, name: &str, to: &str) {
        let change = Change::RenameChannel { name: name.to_owned(), to: to.to_owned() };
        self.control.administer(&Administer { guild: None, change }).unwrap();
    }
}

impl Process {
    /// What is said until this is.
    async fn said_until(&mut self, last: &str) -> Vec<String> {
        let mut said = Vec::new();
        let all = async {
            while said.last().is_none_or(|text| text != last) {
                let event = self.events.recv().await.unwrap();
                if event.kind == EventKind::MessageCreate {
                    said.push(event.payload["content"].as_str().unwrap().to_owned());
                }
            }
        };
        assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "{last} was not heard, but {said:?}");
        said
    }

    async fn whole(&self) -> (Checkpoint, Directory) {
        let mut whole = self.gateway.checkpoints().take(true).await.unwrap();
        let directory = whole.directory.take().unwrap();
        (whole, directory)
    }
}

#[tokio::test]
async fn a_process_that_ends_in_order_is_followed_without_a_gap() {
    let scene = Scene::set().await;
    let mut first = scene.process(Directory::new(), None, None).await;
    scene.say("before");
    first.said_until("before").await;
    let directory = first.directory.clone();
    let point = first.gateway.shutdown().await.unwrap();
    scene.say("meanwhile");
    let mut next = scene.go_on(&point, &directory).await;
    assert_eq!(next.said_until("meanwhile").await, ["meanwhile"]);
    assert_eq!(next.directory.own_user(), directory.own_user());
    assert_eq!((scene.control.sessions().len(), next.status.borrow().missed), (1, false));
}

#[tokio::test]
async fn after_a_crash_only_what_was_not_handed_on_comes() {
    let scene = Scene::set().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("position");
    let position = Position::open(&file).unwrap();
    let mut first = scene.process(Directory::new(), None, Some(position)).await;
    // The account is from before anything was said; the file knows better.
    let (account, directory) = first.whole().await;
    for text in ["first", "second", "third", "fourth"] {
        scene.say(text);
    }
    assert_eq!(first.said_until("first").await, ["first"]);
    // One more is out of the gateway's hands, on its way through the channel; what comes after that is not.
    reached(&mut first.status, |status| status.events == 2).await;
    let point = account.point.with_position_of(&file).unwrap().unwrap();
    drop(first);
    scene.say("meanwhile");
    let mut next = scene.go_on(&point, &directory).await;
    assert_eq!(next.said_until("meanwhile").await, ["third", "fourth", "meanwhile"]);
    assert_eq!((scene.control.sessions().len(), next.status.borrow().missed), (1, false));
}

#[tokio::test]
async fn an_older_directory_learns_what_it_missed() {
    let scene = Scene::set().await;
    let mut first = scene.process(Directory::new(), None, None).await;
    let (old, directory) = first.whole().await;
    scene.rename("general", "common");
    scene.say("said and done");
    first.said_until("said and done").await;
    let sequence = scene.control.sessions()[0].sequence;
    reached(&mut first.status, |status| status.processed_sequence == sequence).await;
    let place = first.gateway.checkpoints().take(false).await.unwrap();
    assert!(place.directory.is_none() && place.revision > old.revision);
    drop(first);
    // The place is newer than the directory that was written down last.
    let point = place.point.with_directory_of(&old.point);
    assert_eq!(directory.channel_name(channel("general")).as_deref(), Some("general"));
    scene.say("next");
    let mut next = scene.go_on(&point, &directory).await;
    assert_eq!(next.said_until("next").await, ["next"], "what was handed on is not told again");
    assert_eq!(next.directory.channel_name(channel("general")).as_deref(), Some("common"));
}

#[tokio::test]
async fn a_session_that_is_no_more_is_begun_anew_and_said() {
    let scene = Scene::set().await;
    let first = scene.process(Directory::new(), None, None).await;
    let (account, directory) = first.whole().await;
    scene.control.invalidate_session(false);
    let mut status = first.status.clone();
    reached(&mut status, |status| status.state != GatewayState::Ready).await;
    drop(first);
    scene.say("never heard");
    let mut next = scene.go_on(&account.point, &directory).await;
    assert!(reached(&mut next.status, |status| status.missed).await.missed);
    scene.say("heard");
    assert_eq!(next.said_until("heard").await, ["heard"]);
}

#[test]
fn what_somebody_else_wrote_is_no_directory() {
    let directory = Directory::new();
    for bytes in [&b""[..], b"{}", b"\x28\xb5\x2f\xfd"] {
        assert!(directory.restore(bytes, ShardId::ONE).is_err());
    }
    assert_eq!(directory.guild_count(), 0);
}

#[tokio::test]
async fn a_quiet_session_is_gone_on_with_after_a_crash() {
    let scene = Scene::set().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("position");
    let first = scene.process(Directory::new(), None, Position::open(&file).ok()).await;
    let (account, directory) = first.whole().await;
    drop(first);
    // Nothing was handed on, and that is known.
    let point = account.point.with_position_of(&file).unwrap().unwrap();
    scene.say("meanwhile");
    let mut next = scene.go_on(&point, &directory).await;
    assert_eq!(next.said_until("meanwhile").await, ["meanwhile"]);
    assert_eq!((scene.control.sessions().len(), next.status.borrow().missed), (1, false));
}

/// What waits to be handed on when a session is lost says nothing of where the next one stands.
#[tokio::test]
async fn a_new_session_is_not_mistaken_for_what_is_left_of_the_last() {
    let scene = Scene::set().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("position");
    let mut first = scene.process(Directory::new(), None, Position::open(&file).ok()).await;
    for number in 0..20 {
        scene.say(&number.to_string());
    }
    reached(&mut first.status, |status| status.last_event_at.is_some() && status.events > 0).await;
    scene.control.invalidate_session(false);
    reached(&mut first.status, |status| status.state != GatewayState::Ready).await;
    reached(&mut first.status, |status| status.state == GatewayState::Ready).await;
    // Some of the lost session's are handed on now; none of the new one's.
    first.said_until("5").await;
    let (account, directory) = first.whole().await;
    let point = account.point.with_position_of(&file).unwrap().unwrap();
    drop(first);
    scene.say("in the new one");
    let mut next = scene.go_on(&point, &directory).await;
    assert_eq!(next.said_until("in the new one").await, ["in the new one"]);
    assert!(!next.status.borrow().missed, "the new session went on");
}
