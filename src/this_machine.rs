//! Which hosts are this machine.

use std::net::IpAddr;

/// Whether a host, as an address names it, is this machine: `localhost`, or a loopback address, in brackets or not.
pub fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}
