//! Ports of loopback. The one place outside of `clients` that touches the network: it binds and closes, and sends nothing.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Whether nothing listens there.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Ports to choose from: below those that systems give to outgoing connections by themselves (32768 on Linux, 49152 by IANA).
/// One of these could be such a connection's when the server gets around to listening, seconds after it was found free.
const CHOICE: Range<u16> = 20_000..32_000;

/// How many are tried before the system is asked for any.
const TRIES_MAX: usize = 64;

/// One that is free now, taken at random so that nodes started at once rarely meet.
pub(super) fn any() -> std::io::Result<u16> {
    let width = u128::from(CHOICE.end - CHOICE.start);
    let random = || u16::try_from(uuid::Uuid::new_v4().as_u128() % width).unwrap_or_default();
    let tried = std::iter::repeat_with(|| CHOICE.start + random()).take(TRIES_MAX);
    for port in tried {
        if is_free(port) {
            return Ok(port);
        }
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
