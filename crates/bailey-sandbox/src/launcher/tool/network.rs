//! The one way out of a tool's network namespace: its loopback, with a listening socket that was made
//! inside and is answered by the host.

use std::{
    io::IoSlice,
    mem::MaybeUninit,
    net::{Ipv4Addr, TcpListener},
    os::{fd::AsFd, unix::net::UnixStream},
};

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use super::super::{Attempt, Failure, Report, system};
use crate::error::Layer;

/// Brings the loopback up, listens on the port and hands the socket to the host.
pub(super) fn open_door(port: u16, control: &UnixStream) -> Result<(), Failure> {
    let any = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .attempt(Layer::Network, || "cannot make a socket to ask for the loopback".to_owned())?;
    system::interface_up(&any, c"lo")
        .attempt(Layer::Network, || "cannot bring the loopback up".to_owned())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .attempt(Layer::Network, || format!("cannot listen on port {port} of the loopback"))?;
    let mut line = serde_json::to_vec(&Report::Listener).unwrap_or_default();
    line.push(b'\n');
    let descriptors = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    beside.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(control, &[IoSlice::new(&line)], &mut beside, SendFlags::NOSIGNAL)
        .map(drop)
        .attempt(Layer::Network, || "cannot hand the socket to the host".to_owned())
}
