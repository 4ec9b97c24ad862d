//! Ports of loopback. The one place outside of `clients` that touches the network: it binds and closes, and sends nothing.

use std::net::{Ipv4Addr, TcpListener};

/// Whether nothing listens there.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// One that is free now, as the system picks it.
pub(super) fn any() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
