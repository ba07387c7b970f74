//! `bailey dead-letters`: events that could not be delivered, looked at, delivered once more, forgotten; also
//! while Bailey runs.

use std::process::ExitCode;

use bailey_protocol::{Clock, GuildId};
use bailey_services::logs::escape;
use bailey_store::{DeadLetterFilter, DeadLetterRecord, Redriven, Store, StoreError};
use serde_json::{Value, json};

use crate::cli::{ChosenDeadLetters, DeadLetterAction, ListDeadLetters, ShowDeadLetter};
use crate::clock::SystemClock;
use crate::database::Database;
use crate::error::{CommandError, chain};
use crate::table::{Table, shortened};
use crate::terminal;

pub(crate) async fn run(action: DeadLetterAction) -> Result<ExitCode, CommandError> {
    let database = Database::reach(action.places()).await?;
    let done = act(&database, action).await;
    database.stop().await;
    done
}

async fn act(database: &Database, action: DeadLetterAction) -> Result<ExitCode, CommandError> {
    let store = Store::connect(&database.urls.platform).await.map_err(failed)?;
    let done = match action {
        DeadLetterAction::List(options) => list(&store, options).await,
        DeadLetterAction::Show(options) => show(&store, options).await,
        DeadLetterAction::Redrive(chosen) => redrive(&store, chosen).await,
        DeadLetterAction::Drop(chosen) => forget(&store, chosen).await,
    };
    store.close();
    done
}

async fn list(store: &Store, options: ListDeadLetters) -> Result<ExitCode, CommandError> {
    let filter = DeadLetterFilter {
        id: None,
        plugin: options.plugin,
        guild: options.server.map(GuildId),
        since: options.since.map(|since| since.before(SystemClock.now())),
    };
    let letters = store.dead_letters(&filter, options.limit).await.map_err(failed)?;
    if options.json {
        letters.iter().for_each(|letter| terminal::say(&terminal::safe_json(&as_json(letter))));
        return Ok(ExitCode::SUCCESS);
    }
    if letters.is_empty() {
        let all = filter == DeadLetterFilter::default();
        eprintln!(
            "{}. An event is put aside when it was delivered five times without being acknowledged, when its \
             plugin does not start, or when too many were waiting.",
            if all { "Nothing was put aside" } else { "Nothing like that was put aside" }
        );
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&[
        "NUMBER",
        "PUT ASIDE",
        "PLUGIN",
        "SERVER",
        "KIND",
        "ATTEMPTS",
        "TIMES",
        "STATUS",
        "WHY",
    ]);
    for record in &letters {
        let letter = &record.letter;
        table.row([
            record.id.to_string(),
            letter.at.to_string(),
            letter.tenant.plugin.to_string(),
            letter.tenant.guild.to_string(),
            letter.kind.clone(),
            letter.attempts.to_string(),
            record.times.to_string(),
            record.status.as_str().to_owned(),
            shortened(&letter.reason),
        ]);
    }
    terminal::say(&table.to_string());
    if letters.len() == options.limit as usize {
        eprintln!("only the newest {} are shown; hint: --limit, --plugin, --since", options.limit);
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &Store, options: ShowDeadLetter) -> Result<ExitCode, CommandError> {
    let filter = DeadLetterFilter { id: Some(options.id), ..DeadLetterFilter::default() };
    let letters = store.dead_letters(&filter, 1).await.map_err(failed)?;
    let record = letters.first().ok_or_else(|| nothing_under(options.id))?;
    if options.json {
        terminal::say(&terminal::safe_json(&as_json(record)));
        return Ok(ExitCode::SUCCESS);
    }
    let letter = &record.letter;
    let payload: Value = serde_json::from_str(&letter.payload).unwrap_or_default();
    let payload = serde_json::to_string_pretty(&payload).unwrap_or_default();
    let payload: Vec<String> = payload.lines().map(escape).collect();
    let times = if record.times == 1 { "once".to_owned() } else { format!("{} times", record.times) };
    terminal::say(&format!(
        "event {} ({}) for {} on server {}\n  happened   {}\n  put aside  {}, {times} since {}\n  attempts   {}\n  \
         status     {}\n  why        {}\n\n{}",
        escape(&letter.event),
        letter.kind,
        letter.tenant.plugin,
        letter.tenant.guild,
        letter.received_at,
        letter.at,
        record.first_at,
        letter.attempts,
        record.status.as_str(),
        escape(&letter.reason),
        payload.join("\n"),
    ));
    Ok(ExitCode::SUCCESS)
}

async fn redrive(store: &Store, chosen: ChosenDeadLetters) -> Result<ExitCode, CommandError> {
    let done = store.redrive_dead_letters(&filter(&chosen)).await.map_err(failed)?;
    if done == Redriven::default() {
        return Err(nothing(&chosen));
    }
    for sentence in redriven_in_words(done) {
        terminal::say(&sentence);
    }
    // Who asked for nothing but interactions got nothing.
    Ok(if done.marked + done.already > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn redriven_in_words(done: Redriven) -> Vec<String> {
    let events = |count: u64| if count == 1 { "1 event".to_owned() } else { format!("{count} events") };
    let mut said = Vec::new();
    let now = done.marked - done.waiting - done.stopped;
    if now > 0 {
        said.push(format!("{} will be delivered within seconds.", events(now)));
    }
    if done.waiting > 0 {
        said.push(format!(
            "{} will be delivered when a Bailey runs that plugin on that server; none does now.",
            events(done.waiting)
        ));
    }
    if done.stopped > 0 {
        said.push(format!(
            "{} will be delivered when that plugin is tried again: deliveries to it are stopped now.\n\
             hint: `bailey status` says why, and until when; a mended version given to `bailey serve` is tried at once.",
            events(done.stopped)
        ));
    }
    if done.already > 0 {
        let were = if done.already == 1 { "was" } else { "were" };
        said.push(format!("{} {were} to be delivered already.", events(done.already)));
    }
    if done.interactions > 0 {
        let stay = if done.interactions == 1 { "stays" } else { "stay" };
        said.push(format!(
            "{} {stay}: an interaction is never delivered late, because nobody could see the answer.",
            events(done.interactions)
        ));
    }
    said
}

async fn forget(store: &Store, chosen: ChosenDeadLetters) -> Result<ExitCode, CommandError> {
    let gone = store.drop_dead_letters(&filter(&chosen)).await.map_err(failed)?;
    if gone == 0 {
        return Err(nothing(&chosen));
    }
    terminal::say(&format!("{gone} {} forgotten.", if gone == 1 { "event is" } else { "events are" }));
    Ok(ExitCode::SUCCESS)
}

fn filter(chosen: &ChosenDeadLetters) -> DeadLetterFilter {
    DeadLetterFilter {
        id: chosen.id,
        plugin: chosen.plugin.clone(),
        guild: chosen.server.map(GuildId),
        since: chosen.since.map(|since| since.before(SystemClock.now())),
    }
}

fn nothing(chosen: &ChosenDeadLetters) -> CommandError {
    match (&chosen.id, &chosen.plugin) {
        (Some(id), _) => nothing_under(*id),
        (None, Some(plugin)) => CommandError::failed(format!(
            "no such events of {plugin} are put aside; hint: `bailey dead-letters list` shows all there are"
        )),
        (None, None) => CommandError::failed("no such events are put aside"),
    }
}

fn nothing_under(id: i64) -> CommandError {
    CommandError::failed(format!(
        "no event is put aside under {id}; hint: `bailey dead-letters list` shows the numbers"
    ))
}

fn failed(error: StoreError) -> CommandError {
    CommandError::failed(chain(&error))
}

fn as_json(record: &DeadLetterRecord) -> Value {
    let letter = &record.letter;
    json!({
        "number": record.id,
        "plugin": letter.tenant.plugin.as_str(),
        "server": letter.tenant.guild.to_string(),
        "event_id": letter.event,
        "kind": letter.kind,
        "received_at": letter.received_at.to_string(),
        "attempts": letter.attempts,
        "times": record.times,
        "reason": letter.reason,
        "first_at": record.first_at.to_string(),
        "last_at": letter.at.to_string(),
        "status": record.status.as_str(),
        "event": serde_json::from_str::<Value>(&letter.payload).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_will_happen_and_what_will_not() {
        let done = Redriven { marked: 4, waiting: 1, stopped: 1, interactions: 2, already: 1 };
        let said = redriven_in_words(done).join("\n");
        assert!(said.contains("2 events will be delivered within seconds"), "{said}");
        assert!(said.contains("1 event will be delivered when a Bailey runs"), "{said}");
        assert!(said.contains("1 event will be delivered when that plugin is tried again"), "{said}");
        assert!(said.contains("1 event was to be delivered already"), "{said}");
        assert!(said.contains("2 events stay: an interaction is never delivered late"), "{said}");
    }
}
