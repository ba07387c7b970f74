//! The root as an image: imported from a stream, named by what it is made of, so made only once.
//! No registry is involved.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use bollard::{Docker, errors::Error, query_parameters::CreateImageOptionsBuilder};
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use tokio::sync::mpsc;

use super::daemon::{IMPORT_DEADLINE, Kernel, explain};
use crate::{
    error::{Layer, LayerError},
    root::PythonRoot,
};

/// The images' name; the tag is the root's identity.
const REPOSITORY: &str = "bailey-root";
/// Pieces of the archive on their way to the daemon, and the size of each.
const PIECES: usize = 8;
const PIECE_BYTES: usize = 256 * 1024;

/// The id of the image with this root, imported if the daemon has not got it.
pub(super) async fn provide(
    docker: &Docker,
    root: &PythonRoot,
    kernel: Kernel,
) -> Result<String, LayerError> {
    let tag = match kernel {
        Kernel::Machine => root.identity().to_owned(),
        Kernel::Gvisor => format!("{}-readable", root.identity()),
    };
    let name = format!("{REPOSITORY}:{tag}");
    if let Some(id) = find(docker, &name).await? {
        return Ok(id);
    }
    tracing::info!(image = name, "giving the Docker daemon the sandbox's root");
    import(docker, root, kernel, &tag).await?;
    find(docker, &name).await?.ok_or_else(|| {
        LayerError::new(Layer::Image, format!("the daemon took in {name} and does not have it"))
    })
}

async fn find(docker: &Docker, name: &str) -> Result<Option<String>, LayerError> {
    match docker.inspect_image(name).await {
        Ok(image) => Ok(image.id),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => {
            Err(LayerError::new(Layer::Image, format!("cannot look at {name}: {}", explain(&error))))
        }
    }
}

/// Sends the root as an archive. The name is given by the daemon when all of it has arrived, so a
/// half image is never found.
async fn import(docker: &Docker, root: &PythonRoot, kernel: Kernel, tag: &str) -> Result<(), LayerError> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let source = root.clone();
    let writing = tokio::task::spawn_blocking(move || {
        if let Err(error) = archive(&source, kernel, Pieces { to: sender.clone(), piece: Vec::new() }) {
            // In the middle of the body, so that the daemon sees it break off.
            let _daemon_hung_up = sender.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
            return Err(error);
        }
        Ok(())
    });
    let pieces = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(REPOSITORY).tag(tag).build();
    let patient = docker.clone().with_timeout(IMPORT_DEADLINE);
    let body = bollard::body_try_stream(pieces);
    let imported: Result<Vec<_>, Error> =
        patient.create_image(Some(options), Some(body), None).try_collect().await;
    let failed = |reason: String| LayerError::new(Layer::Image, format!("cannot import the root: {reason}"));
    // Our own error is the cause of the daemon's.
    writing.await.map_err(|error| failed(error.to_string()))?.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()), // the daemon hung up, and says why itself
        _ => Err(failed(format!("cannot read {}: {error}", root.path().display()))),
    })?;
    imported.map(drop).map_err(|error| failed(explain(&error)))
}

/// Writes all of the root, owned by root, with the modes it has and no times.
fn archive(root: &PythonRoot, kernel: Kernel, to: impl Write) -> io::Result<()> {
    // A program that cannot be read cannot be traced either, by this machine's kernel. gVisor has to
    // read it, and keeps its processes apart in its own way.
    let more = if kernel == Kernel::Gvisor { 0o444 } else { 0 };
    let mut archive = tar::Builder::new(to);
    add_folder(&mut archive, root, more, Path::new(""))?;
    archive.into_inner()?.flush()
}

fn add_folder(
    archive: &mut tar::Builder<impl Write>,
    root: &PythonRoot,
    more: u32,
    place: &Path,
) -> io::Result<()> {
    let folder = root.path().join(place);
    let mut names = fs::read_dir(&folder)?
        .map(|entry| Ok(place.join(entry?.file_name())))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let path = root.path().join(&name);
        let data = fs::symlink_metadata(&path)?;
        let mut header = tar::Header::new_gnu();
        header.set_mode((data.mode() & 0o7777) | more);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        if data.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            archive.append_data(&mut header, &name, io::empty())?;
            add_folder(archive, root, more, &name)?;
        } else if data.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, &name, fs::read_link(&path)?)?;
        } else {
            header.set_size(data.size());
            archive.append_data(&mut header, &name, open(root, &name)?)?;
        }
    }
    Ok(())
}

/// The interpreter in the root can be executed but not read, not even by its owner. The one it was
/// copied from lies at the same place on this machine.
fn open(root: &PythonRoot, name: &Path) -> io::Result<File> {
    match File::open(root.path().join(name)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            File::open(Path::new("/").join(name))
        }
        result => result,
    }
}

/// Collects what is written into pieces, and waits while the daemon is behind.
struct Pieces {
    to: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.to.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
