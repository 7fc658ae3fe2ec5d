//! Where the server can be reached, for scripts that had it choose its port.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::cli::exit::Failure;

/// Name of the file in the data directory.
pub const ADDRESS_FILE: &str = "http.addr";

/// A file that holds the server's address while it runs: `127.0.0.1:8080` and a newline.
#[derive(Debug)]
pub struct AddressFile {
    address: SocketAddr,
    path: PathBuf,
}

impl AddressFile {
    /// Writes the file, over one that a killed server left behind.
    pub fn write(data_dir: &Path, address: SocketAddr) -> Result<Self, Failure> {
        let path = data_dir.join(ADDRESS_FILE);
        let new = data_dir.join(format!("{ADDRESS_FILE}.new"));
        // A reader sees all of it or nothing.
        fs::write(&new, format!("{address}\n"))
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|error| {
                Failure::Failed(format!("{} can't be written: {error}", path.display()))
            })?;
        Ok(Self { address, path })
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the address file could not be removed");
        }
    }
}
