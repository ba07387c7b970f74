//! Runs the simulator alone, with the default world and real time, until Ctrl-C.
//! `cargo run -p bailey-sim --example simulate [port] [folder for recordings]`
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use bailey_sim::{SimConfig, Simulator};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let bind = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let simulator = Simulator::start(SimConfig { bind, ..SimConfig::default() }).await?;
    if let Some(folder) = std::env::args().nth(2) {
        simulator.control().set_recordings_folder(std::path::Path::new(&folder));
    }
    println!("status page  {}/sim/", simulator.http_base());
    println!("REST         {}/api/v10", simulator.http_base());
    println!("gateway      {}", simulator.gateway_url());
    println!("bot token    {}", simulator.bot_token());
    tokio::signal::ctrl_c().await?;
    simulator.shutdown().await;
    Ok(())
}
