//! How far the index is, and of which log it is (docs/log-format.md, "Index").

use uuid::Uuid;

use crate::bytes::Malformed;
use crate::log::{Position, meta};

/// The form of the index. One of another form is thrown away and made anew.
const INDEX_FORMAT: u32 = 1;

/// How far the index is. It goes into the index with each batch, so it belongs to what is there whatever was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexCheckpoint {
    pub(crate) log_id: Uuid,
    /// The index has all records up to this one, which is the last of its pack.
    pub(crate) position: Position,
    /// The digest of that record: with the position it stands for one history.
    pub(crate) digest: u64,
}

impl IndexCheckpoint {
    /// Before the first record.
    pub(crate) fn start(log_id: Uuid) -> Self {
        Self {
            log_id,
            position: 0,
            digest: 0,
        }
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut value = INDEX_FORMAT.to_le_bytes().to_vec();
        value.extend_from_slice(self.log_id.as_bytes());
        value.extend_from_slice(&self.position.to_le_bytes());
        value.extend_from_slice(&self.digest.to_le_bytes());
        meta::with_check(value)
    }

    pub(crate) fn read(value: &[u8]) -> Result<Self, Malformed> {
        let mut reader = meta::checked(value)?;
        if u32::from_le_bytes(reader.array()?) != INDEX_FORMAT {
            return Err(Malformed("it is of another format"));
        }
        let log_id = Uuid::from_bytes(reader.array()?);
        let mut number = || -> Result<u64, Malformed> { Ok(u64::from_le_bytes(reader.array()?)) };
        Ok(Self {
            log_id,
            position: number()?,
            digest: number()?,
        })
    }
}
