//! The host against scripted processes, recorded conversations and real Python.

mod calls;
mod crashes;
mod delivery;
mod fake;
mod golden;
mod hostile;
mod lifecycle;
mod memory_calls;
mod python;
mod support;
