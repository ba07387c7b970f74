//! The client against a real simulator, over real sockets.

mod gateway;
mod hostile;
mod interactions;
mod limits;
mod properties;
mod rest;
mod support;
