//! Socket options of peer connections: a link that swallows packets must end the connection, not outlive it.

use socket2::{SockRef, TcpKeepalive};
use std::{io, time::Duration};
use tokio::net::TcpStream;

/// The peer's kernel acknowledges what was sent within this, or the connection ends. The kernel answers for a busy or
/// frozen process too, so only a dead machine or link is meant. Without it a healed link stays unused: the kernel doubles
/// its pauses between resends, to minutes.
const LOST_AFTER: Duration = Duration::from_secs(3);
/// A quiet connection is asked this often.
const KEEPALIVE: Duration = Duration::from_secs(1);

pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    socket.set_tcp_keepalive(&keepalive)?;
    // It bounds the probes of a quiet connection as well.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(LOST_AFTER))?;
    Ok(())
}
