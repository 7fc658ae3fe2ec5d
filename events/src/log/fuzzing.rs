//! Doors for fuzz targets (`make fuzz`) to what is private to the log. Each panics where a property does not hold.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::LogError;
use super::codec::{self, RecordReader};
use super::export;
use super::unpack::Unpacker;

/// Reads bytes as a record. What is one is written and read again as it is.
pub fn record(bytes: &[u8]) {
    let Ok(read) = RecordReader::default().record(bytes) else {
        return;
    };
    let mut written = Vec::new();
    codec::put_record(&mut written, &read);
    let again = RecordReader::default()
        .record(&written)
        .expect("a record that was written can be read");
    assert_eq!(format!("{again:?}"), format!("{read:?}"));
    // And as a line, too.
    let mut line = Vec::new();
    export::put_line(&mut line, &read);
    export_line(&line);
}

/// Reads bytes as a pack whose check is right.
pub fn pack(bytes: &[u8]) {
    const FIRST: u64 = 1;
    let mut value = bytes.to_vec();
    value.extend_from_slice(&xxh3_64_with_seed(bytes, FIRST).to_le_bytes());
    let no_chunks = |_| Ok::<Option<Vec<u8>>, LogError>(None);
    if let Ok(pack) = Unpacker::default().unpack(FIRST, &value, no_chunks, |_| true) {
        let positions = pack.records.iter().map(|record| record.position);
        assert!(positions.eq(FIRST..pack.next));
    }
}

/// Reads bytes as a line of an export. What is a record is written and read again as it is.
pub fn export_line(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let Ok(read) = export::read_line(text) else {
        return;
    };
    let mut line = Vec::new();
    export::put_line(&mut line, &read);
    assert_eq!(
        line.iter().position(|&byte| byte == b'\n'),
        Some(line.len() - 1),
        "a record is one line"
    );
    let line = str::from_utf8(&line).expect("a line is text");
    let again = export::read_line(line).expect("a line that was written can be read");
    assert_eq!(format!("{again:?}"), format!("{read:?}"));
}
