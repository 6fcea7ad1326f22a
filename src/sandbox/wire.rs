//! Connections that can be cut in the middle, as a failing network cuts them.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// Accepts connections that carry a [`Switch`].
pub(super) struct Listener(TcpListener);

impl Listener {
    pub(super) fn new(inner: TcpListener) -> Self {
        Self(inner)
    }
}

impl axum::serve::Listener for Listener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address) = axum::serve::Listener::accept(&mut self.0).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "sandbox cannot set TCP_NODELAY");
        }
        (Wire { stream, switch: Switch::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Cuts the connection it belongs to. After [`Switch::cut`] nothing more is read or written, and the peer
/// sees a reset.
#[derive(Clone, Debug, Default)]
pub(super) struct Switch(Arc<Mutex<Cut>>);

#[derive(Debug, Default)]
struct Cut {
    done: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Switch {
    pub(super) fn cut(&self) {
        let wakers = {
            let mut cut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            cut.done = true;
            [cut.reader.take(), cut.writer.take()]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn is_cut(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).done
    }

    /// Fails once the connection is cut; until then remembers whom to wake.
    fn check(
        &self,
        side: impl FnOnce(&mut Cut) -> &mut Option<Waker>,
        context: &Context<'_>,
    ) -> io::Result<()> {
        let mut cut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cut.done {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        *side(&mut cut) = Some(context.waker().clone());
        Ok(())
    }
}

/// Who is at the other end of a connection, and how to cut it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) switch: Switch,
    pub(super) ip: IpAddr,
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self { switch: stream.io().switch.clone(), ip: stream.remote_addr().ip() }
    }
}

/// One accepted connection.
pub(super) struct Wire {
    stream: TcpStream,
    switch: Switch,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.switch.check(|cut| &mut cut.reader, cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.switch.check(|cut| &mut cut.writer, cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.switch.check(|cut| &mut cut.writer, cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.switch.check(|cut| &mut cut.writer, cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Without lingering the kernel sends RST instead of FIN.
        if self.switch.is_cut()
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!(%error, "sandbox cannot reset a connection");
        }
    }
}
