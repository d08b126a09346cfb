//! Work in another network than the machine's.

use std::{fs::File, os::fd::AsFd, path::Path};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{Context, Result};

/// Does it on a thread of its own within that network namespace, where sockets stay that it opens and gives away.
pub fn within<T: Send>(namespace: &Path, work: impl FnOnce() -> T + Send) -> Result<T> {
    let what = || format!("entering the network namespace {}", namespace.display());
    let file = File::open(namespace).context(what)?;
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).context(what)?;
            Ok(work())
        });
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
