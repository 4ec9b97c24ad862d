//! Where to listen, as people write it: `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464`, or a port of loopback alone.
//!
//! Deliberately absent: names but `localhost`, which could mean an interface that nobody thought of.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress(pub(super) SocketAddr);

/// Why a text is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address to listen on: write an IP address and a port such as 127.0.0.1:9464, or a port alone for this machine only; port 0 takes a free one"
)]
pub struct AddressError(String);

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let text = text.trim();
        let port = text.strip_prefix("localhost:").unwrap_or(text);
        if let Ok(port) = port.parse::<u16>() {
            return Ok(Self(SocketAddr::new(loopback, port)));
        }
        let address = text.parse::<SocketAddr>();
        address.map(Self).map_err(|_| AddressError(text.to_owned()))
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_of_loopback() {
        for (text, wanted) in [
            ("9464", "127.0.0.1:9464"),
            ("localhost:9464", "127.0.0.1:9464"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0:9464", "0.0.0.0:9464"),
            ("[::1]:9464", "[::1]:9464"),
        ] {
            let parsed: ListenAddress = text.parse().unwrap();
            assert_eq!(parsed.to_string(), wanted);
        }
        for text in [
            "",
            ":9464",
            "127.0.0.1",
            "example.org:80",
            "70000",
            "127.0.0.1:x",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}
