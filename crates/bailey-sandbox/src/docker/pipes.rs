//! The three pipes of a container. They travel over one connection to the daemon; the host gets
//! real pipes as from a process of its own, and what stands between moves the bytes.

use std::{
    future::Future,
    io,
    process::{ChildStderr, ChildStdin, ChildStdout},
};

use bollard::container::{AttachContainerResults, LogOutput};
use futures_util::StreamExt;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::unix::pipe::{Receiver, Sender},
};

use crate::process::Stdio;

/// Moved at once towards the process.
const PIECE_BYTES: usize = 64 * 1024;

/// The host's ends, and what moves the bytes until the connection ends. Nothing is kept: when one
/// side does not read, the other waits.
pub(super) fn connect(
    attached: AttachContainerResults,
) -> io::Result<(Stdio, impl Future<Output = ()> + Send + 'static)> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from);
    let ((from_host, stdin), (stdout, to_host), (stderr, errors_to_host)) = (pipe()?, pipe()?, pipe()?);
    let stdio = Stdio {
        stdin: tokio::process::ChildStdin::from_std(ChildStdin::from(stdin))?,
        stdout: tokio::process::ChildStdout::from_std(ChildStdout::from(stdout))?,
        stderr: tokio::process::ChildStderr::from_std(ChildStderr::from(stderr))?,
    };
    let from_host = Receiver::from_owned_fd(from_host)?;
    let (to_host, errors_to_host) = (Sender::from_owned_fd(to_host)?, Sender::from_owned_fd(errors_to_host)?);
    let AttachContainerResults { output, input } = attached;
    let flow = async move {
        let inward = async {
            give(from_host, input).await;
            std::future::pending::<()>().await; // the process may still have something to say
        };
        // When the process's side has ended, so has the host's: it sees end of file and broken pipe.
        tokio::select! {
            () = inward => {}
            () = take(output, to_host, errors_to_host) => {}
        }
    };
    Ok((stdio, flow))
}

/// From the host to the process, end of file included.
async fn give(mut from_host: Receiver, mut input: impl AsyncWrite + Unpin) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(count @ 1..) = from_host.read(&mut piece).await {
        let written = async {
            input.write_all(&piece[..count]).await?;
            input.flush().await
        };
        if written.await.is_err() {
            return; // the daemon has hung up: the host sees a broken pipe
        }
    }
    let _it_may_be_gone = input.shutdown().await;
}

/// From the process to the host, each stream to its own pipe.
async fn take(
    mut output: impl futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
    to_host: Sender,
    errors_to_host: Sender,
) {
    let (mut to_host, mut errors_to_host) = (Some(to_host), Some(errors_to_host));
    while let Some(piece) = output.next().await {
        let (pipe, bytes) = match piece {
            Ok(LogOutput::StdOut { message }) => (&mut to_host, message),
            Ok(LogOutput::StdErr { message }) => (&mut errors_to_host, message),
            Ok(LogOutput::StdIn { .. }) => continue,
            // Bytes without a header: whose they are cannot be told.
            Ok(LogOutput::Console { .. }) => {
                tracing::warn!("the Docker daemon sent output that belongs to no stream");
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "the connection to a container broke");
                return;
            }
        };
        if let Some(open) = pipe
            && open.write_all(&bytes).await.is_err()
        {
            *pipe = None; // nobody reads it any more; the other may still be read
        }
    }
}
