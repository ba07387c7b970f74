//! The host against scripted processes, recorded conversations and real Python.

#![expect(clippy::unwrap_used, reason = "a test whose premise fails should stop there")]

mod breakers;
mod calls;
mod crashes;
mod cron;
mod dead_letters;
mod delivery;
mod discord_methods;
mod fake;
mod golden;
mod hostile;
mod lifecycle;
mod memory_calls;
mod python;
mod room;
mod sdk;
mod services;
mod shares;
mod support;
mod unanswered;
