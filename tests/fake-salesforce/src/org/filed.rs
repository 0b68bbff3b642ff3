//! Bodies too large for memory: what a client sent, in a file without a name that is gone with the last row that holds it.
//!
//! Rule: length and checksum are known once the body is whole.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use md5::Digest as _;

/// A body in a file.
#[derive(Debug)]
pub struct FiledBody {
    file: File,
    length: u64,
    md5: String,
}

impl PartialEq for FiledBody {
    fn eq(&self, other: &Self) -> bool {
        (self.length, &self.md5) == (other.length, &other.md5)
    }
}

impl Eq for FiledBody {}

impl FiledBody {
    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The MD5 of the bytes, in hexadecimal.
    #[must_use]
    pub fn md5(&self) -> &str {
        &self.md5
    }

    /// The bytes from `offset`, `length` of them. None where the file can't be read: whoever is served then sees the body break off.
    #[must_use]
    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }
}

/// A body on its way into a file.
pub struct Filing {
    file: File,
    length: u64,
    hash: md5::Md5,
}

impl Filing {
    /// Begins a body.
    ///
    /// # Errors
    /// Where there's no place for temporary files.
    pub fn begin() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            length: 0,
            hash: md5::Md5::new(),
        })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Where they can't be written.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The whole body.
    #[must_use]
    pub fn finish(self) -> FiledBody {
        FiledBody {
            file: self.file,
            length: self.length,
            md5: self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}
