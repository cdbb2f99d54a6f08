//! Addresses at which nobody listens until a test does, or a program of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::net::TcpListener;

/// On a loopback address of its own. On 127.0.0.1 somebody else might take the port meanwhile:
/// other tests for their servers, connections as their own end, and connections to this very port
/// even to reach themselves.
pub async fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let [.., high, low] = std::process::id().to_be_bytes();
    let own = Ipv4Addr::new(127, 1 + high % 250, low, next);
    let listener = TcpListener::bind((own, 0)).await.expect("a free port");
    listener.local_addr().expect("an address")
}
