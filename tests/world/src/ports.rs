//! Free loopback ports for several worlds side by side.
//!
//! Asking the kernel for port 0 and closing the socket again hands the same port to the next one who asks. So each port
//! is held by a file lock for as long as its [`Port`] lives, and is taken from below the range which the kernel uses for
//! outgoing connections.

use std::{fs::File, net::TcpListener, ops::Range, sync::Arc};

use crate::{Context, Result, WorldError};

const RANGE: Range<u16> = 20_000..32_000;

/// A loopback port that no other world takes while this value, or a clone of it, lives.
#[derive(Clone, Debug)]
pub struct Port {
    number: u16,
    _lock: Arc<File>,
}

impl Port {
    /// Takes a free port.
    pub fn free() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("world-ports-{}", rustix::process::getuid().as_raw()));
        std::fs::create_dir_all(&dir).context(|| format!("creating {}", dir.display()))?;
        for _ in 0..1_000 {
            let number = rand::random_range(RANGE);
            let path = dir.join(number.to_string());
            let lock = File::create(&path).context(|| format!("creating {}", path.display()))?;
            if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Ok(Self { number, _lock: Arc::new(lock) });
            }
        }
        Err(WorldError::new("found no free loopback port in 1000 tries"))
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.number.fmt(f)
    }
}
