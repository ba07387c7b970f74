//! Says a recording again to whatever client connects, and tells what it did otherwise.
//! `cargo run -p bailey-sim --example replay FILE [port]`
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::path::PathBuf;
use std::time::Duration;

use bailey_sim::{Recording, Replay};

/// How long each recorded request is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).map(PathBuf::from).ok_or("name the recording's file")?;
    let port: u16 = std::env::args().nth(2).map_or(Ok(0), |port| port.parse())?;
    let recording = Recording::read(&file)?;
    let bind = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let replay = Replay::start(&recording, bind, PATIENCE).await?;
    println!("REST         {}/api/v10", replay.http_base());
    println!("gateway      {}", replay.gateway_url());
    println!("bot token    any");
    tokio::select! {
        _ = replay.finished(LONGEST) => {}
        stopped = tokio::signal::ctrl_c() => stopped?,
    }
    let differences = replay.differences();
    println!("{} differences", differences.len());
    differences.iter().for_each(|difference| println!("- {difference}"));
    replay.shutdown().await;
    Ok(())
}
