//! The commands of a server against a simulated Discord: what is written and when, what is left out, and what comes
//! back under which name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bailey_discord::DiscordError;
use bailey_protocol::{GuildId, PluginId, limits};
use bailey_services::Interactions;
use bailey_services::commands::{CommandSync, Offer, SyncError};
use bailey_sim::{CommandUse, Sight, Snowflake};
use serde_json::{Value, json};

use crate::simulated::Simulated;

fn offer(plugins: &[(&str, Value)]) -> Offer {
    let ids: Vec<PluginId> = plugins.iter().map(|(id, _)| id.parse().unwrap()).collect();
    let lists = plugins.iter().zip(&ids).map(|((_, commands), id)| {
        (id, commands.as_array().unwrap().iter().map(|one| one.as_object().unwrap()).collect())
    });
    Offer::of(lists, &BTreeSet::new())
}

fn slash(name: &str) -> Value {
    json!({"name": name, "description": "d"})
}

struct Stage {
    simulated: Simulated,
    sync: CommandSync,
    guild: GuildId,
}

impl Stage {
    async fn new() -> Self {
        let simulated = Simulated::start().await;
        let sync = CommandSync::new(simulated.rest.clone(), simulated.application);
        let guild = simulated.guilds[0];
        Self { simulated, sync, guild }
    }

    fn registered(&self) -> Vec<String> {
        let commands = self.simulated.control.commands(Some(Snowflake(self.guild.0)));
        commands.iter().map(|command| command["name"].as_str().unwrap().to_owned()).collect()
    }

    fn writes(&self) -> usize {
        self.simulated.control.requests().iter().filter(|request| request.method == "PUT").count()
    }
}

#[tokio::test]
async fn only_a_difference_is_written_and_what_is_gone_is_removed() {
    let stage = Stage::new().await;
    let before = stage.writes();
    let weather = json!({"name": "weather", "description": "d", "dm_permission": false, "options": [
        {"type": 3, "name": "city", "description": "d", "required": false, "autocomplete": true,
         "choices": [{"name": "Berlin", "value": "b"}]},
        {"type": 10, "name": "days", "description": "d", "min_value": 1.0}]});
    let mut wanted =
        offer(&[("one", json!([weather, {"name": "Inspect", "type": 2}])), ("two", json!([slash("roll")]))]);
    let report = stage.sync.sync(stage.guild, &mut wanted, 0).await.unwrap();
    assert!(report.written);
    assert_eq!(report.changes.added, ["weather", "Inspect", "roll"]);
    assert_eq!(report.changes.removed, ["greet"]);
    let again = stage.sync.sync(stage.guild, &mut wanted, 0).await.unwrap();
    assert!(!again.written && again.changes.is_empty(), "{again:?}");
    assert_eq!(stage.writes() - before, 1);

    let mut fewer = offer(&[("two", json!([slash("roll")]))]);
    assert_eq!(stage.sync.compare(stage.guild, &fewer).await.unwrap().removed, ["weather", "Inspect"]);
    assert_eq!(stage.registered().len(), 3, "a comparison changes nothing");
    stage.sync.sync(stage.guild, &mut fewer, 0).await.unwrap();
    assert_eq!(stage.registered(), ["roll"]);
    stage.sync.sync(stage.guild, &mut Offer::default(), 0).await.unwrap();
    assert!(stage.registered().is_empty());
}

#[tokio::test]
async fn what_discord_refuses_is_left_out_alone() {
    let stage = Stage::new().await;
    let odd = |name: &str| json!({"name": name, "description": "d", "name_localizations": {"xx": "x"}});
    let mut wanted =
        offer(&[("one", json!([slash("a"), odd("b"), slash("c")])), ("two", json!([odd("d"), slash("e")]))]);
    let report = stage.sync.sync(stage.guild, &mut wanted, 0).await.unwrap();
    assert!(report.written);
    assert_eq!(stage.registered(), ["a", "c", "e"]);
    let problems: Vec<_> = wanted.commands().iter().filter(|one| one.problem.is_some()).collect();
    assert_eq!(problems.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["b", "d"]);
    let words = problems[0].problem.as_deref().unwrap();
    assert!(words.starts_with("Discord: name_localizations.xx: "), "{words}");
}

#[tokio::test]
async fn no_more_new_commands_in_a_day_than_discord_takes() {
    let stage = Stage::new().await;
    let hundred =
        |letter: &str| offer(&[("one", (0..100).map(|n| slash(&format!("{letter}{n}"))).collect())]);
    let made = stage.sync.sync(stage.guild, &mut hundred("a"), 1).await.unwrap().changes.added.len();
    let made = u32::try_from(made).unwrap() + 1; // and the greeting of the stage
    let before = stage.writes();
    let refused = stage.sync.sync(stage.guild, &mut hundred("b"), made).await;
    assert_eq!(refused, Err(SyncError::TooManyCreations { wanted: 100, made: 101 }));
    assert_eq!(stage.writes(), before, "nothing was tried");
    // Whoever counts wrong is refused by Discord, and the server keeps what it has.
    let refused = stage.sync.sync(stage.guild, &mut hundred("b"), 0).await;
    assert!(
        matches!(refused, Err(SyncError::Discord(DiscordError::Refused { code: 30034, .. }))),
        "{refused:?}"
    );
    assert!(stage.registered().contains(&"a99".to_owned()));
    stage.simulated.advance(Duration::from_secs(24 * 3600));
    assert!(stage.sync.sync(stage.guild, &mut hundred("b"), 0).await.unwrap().written);
    assert_eq!(limits::COMMAND_CREATIONS_PER_DAY, 200);
}

#[tokio::test]
async fn a_server_without_the_bot_is_said() {
    let stage = Stage::new().await;
    let refused = stage.sync.sync(GuildId(5), &mut offer(&[("one", json!([slash("a")]))]), 0).await;
    assert!(
        matches!(refused, Err(SyncError::Discord(DiscordError::Refused { code: 50001, .. }))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_command_under_another_name_reaches_its_plugin_under_its_own() {
    let stage = Stage::new().await;
    let interactions =
        Interactions::new(stage.simulated.rest.clone(), Arc::new(stage.simulated.clock.clone()));
    let city = json!({"type": 3, "name": "city", "description": "d", "autocomplete": true,
                      "choices": [{"name": "Berlin", "value": "b"}, {"name": "Oslo", "value": "o"}]});
    let weather = json!({"name": "roll", "description": "d", "options": [city]});
    let mut wanted = offer(&[("one", json!([slash("roll")])), ("two", json!([weather]))]);
    stage.sync.sync(stage.guild, &mut wanted, 0).await.unwrap();
    assert_eq!(stage.registered(), ["roll", "two-roll"]);
    interactions.offer(stage.guild, &wanted);
    assert_eq!(wanted.names_of(&"two".parse().unwrap()), ["two-roll"]);
    let using = |name: &str, focused: Option<&str>| CommandUse {
        name: name.to_owned(),
        focused: focused.map(str::to_owned),
        ..CommandUse::default()
    };

    stage.simulated.control.command(using("two-roll", None)).unwrap();
    let event = interactions.take_in(stage.simulated.event().await).unwrap();
    assert_eq!(
        (&event.payload["command_name"], &event.payload["data"]["name"]),
        (&json!("roll"), &json!("roll"))
    );
    assert_eq!(
        event.interaction.unwrap().command.as_deref(),
        Some("two-roll"),
        "which is how it finds its way"
    );
    stage.simulated.control.command(using("roll", None)).unwrap();
    let event = interactions.take_in(stage.simulated.event().await).unwrap();
    assert_eq!(event.payload["command_name"], "roll");

    // While it is typed, the host answers and nobody is told.
    let mark = stage.simulated.mark();
    let receipt = stage.simulated.control.command(using("two-roll", Some("city"))).unwrap();
    assert!(interactions.take_in(stage.simulated.event().await).is_none());
    interactions.suggestions_shown().await;
    let seen = stage.simulated.control.observed_since(mark);
    let Sight::Choices { choices, .. } = &seen[0].what else { panic!("{seen:?}") };
    assert_eq!(choices.len(), 2);
    assert_eq!(stage.simulated.control.is_answered(receipt.interaction_id.unwrap()), Some(true));

    // A name that is not known any more passes as it is, and typing it is answered with nothing.
    interactions.offer(stage.guild, &Offer::default());
    stage.simulated.control.command(using("two-roll", Some("city"))).unwrap();
    assert!(interactions.take_in(stage.simulated.event().await).is_none());
    interactions.suggestions_shown().await;
    let seen = stage.simulated.control.observed_since(seen[0].index);
    assert!(matches!(&seen[0].what, Sight::Choices { choices, .. } if choices.is_empty()), "{seen:?}");
}
