//! Bytes that a log has on disk, as they stand in docs/log-format.md. When one of these tests fails, logs
//! out there can't be read any more: the format needs a new version, and the old one its reader.

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use super::codec::{RecordReader, chain_digest, put_record};
use super::index::{Candidate, Entry, IndexCheckpoint, candidate_digest, subject_digest};
use super::meta::Identity;
use super::unpack::Unpacker;
use super::{LogError, Record, StreamOrigin, meta, samples};
use crate::event::About;
use crate::json::JsonText;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn record() -> Record {
    Record {
        position: 300,
        recorded_at: DateTime::UNIX_EPOCH + TimeDelta::milliseconds(1_500),
        origin: Some(StreamOrigin {
            stream: "ORDERS".into(),
            sequence: 7,
        }),
        source: "pos".into(),
        id: "e1".into(),
        event_type: "OrderConfirmed".into(),
        time: DateTime::UNIX_EPOCH - TimeDelta::seconds(1),
        correlation_id: Some("c".into()),
        about: About::Order("o1".parse().unwrap()),
        data: JsonText::new(r#"{"a":1}"#).unwrap(),
    }
}

const LOG_ID: Uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

const RECORD: &str = concat!(
    "0d ac02 02 80cab5ee01 01 00",
    "06 4f5244455253 07",
    "03 706f73 02 6531 0e 4f72646572436f6e6669726d6564",
    "01 63 02 6f31 07 7b2261223a317d",
);

/// The record alone in a pack; the digest before it is 5.
const PACK: &str = concat!(
    "01 01 00 37 0500000000000000 bccc1d03451ca10a",
    "28b52ffd2037b90100",
    "36 0dac020280cab5ee010100064f52444552530703706f730265310e",
    "4f72646572436f6e6669726d65640163026f31077b2261223a317d",
    "4bbee2316d0eaf45",
);

const INDEX_KEY: &str = "b6f42d44a5b223ec";
const INDEX_ENTRY: &str = "00 ac02 e466cb47 836f7c86";
const INDEX_CHECKPOINT: &str = concat!(
    "01000000 00112233445566778899aabbccddeeff 2c01000000000000 0700000000000000",
    "bc47d71072676513",
);
const META: &str = "02000000 00112233445566778899aabbccddeeff e0d360c447f8b310";
/// As a log of format 1 has it.
const META_1: &str = "01000000 00112233445566778899aabbccddeeff 8e0e1e4b9e7a74d8";
const CHECKPOINT: &str = "06 4f5244455253 14 00 ac02 28 00 5b6b9b2f0472e977";

#[test]
fn a_record_has_these_bytes() {
    let mut encoded = Vec::new();
    put_record(&mut encoded, &record());
    assert_eq!(encoded, bytes(RECORD));
    assert_eq!(chain_digest(5, &encoded), 0x0aa1_1c45_031d_ccbc);
    let read = RecordReader::default().record(&bytes(RECORD)).unwrap();
    samples::assert_same(&[read], &[record()]);
}

#[test]
fn a_pack_of_these_bytes_is_read() {
    let no_chunk = |_| -> Result<Option<Vec<u8>>, LogError> { Ok(None) };
    let pack = Unpacker::default()
        .unpack(300, &bytes(PACK), no_chunk, |_| true)
        .unwrap();
    samples::assert_same(&pack.records, &[record()]);
    assert_eq!((pack.before, pack.after), (5, 0x0aa1_1c45_031d_ccbc));
}

#[test]
fn an_index_entry_has_these_bytes() {
    let about = About::Order("o1".parse().unwrap());
    let subject = subject_digest(&about, "pos", "e1");
    assert_eq!(subject.to_be_bytes().to_vec(), bytes(INDEX_KEY));
    let entry = Entry {
        number: 0,
        candidates: vec![Candidate {
            position: 300,
            digest: candidate_digest("pos", "e1"),
        }],
    };
    assert_eq!(entry.to_bytes(subject), bytes(INDEX_ENTRY));
}

#[test]
fn an_index_checkpoint_has_these_bytes() {
    let checkpoint = IndexCheckpoint {
        log_id: LOG_ID,
        position: 300,
        digest: 7,
    };
    assert_eq!(checkpoint.to_bytes(), bytes(INDEX_CHECKPOINT));
    let read = IndexCheckpoint::read(&bytes(INDEX_CHECKPOINT));
    assert_eq!(read.ok(), Some(checkpoint));
}

#[test]
fn things_have_these_digests() {
    let subject = |about| subject_digest(&about, "pos", "e1");
    assert_eq!(
        subject(About::Order("o1".parse().unwrap())),
        0xb6f4_2d44_a5b2_23ec
    );
    assert_eq!(
        subject(About::Customer("o1".parse().unwrap())),
        0xf482_93d4_e25a_c6d2
    );
    assert_eq!(
        subject(About::Program("1".parse().unwrap())),
        0x6e2d_633e_13f6_e18a
    );
    assert_eq!(subject(About::Nothing), 0xb5ec_cc23_4d82_df05);
    assert_eq!(candidate_digest("pos", "e1"), 0x47cb_66e4);
}

#[test]
fn what_the_log_keeps_about_itself_has_these_bytes() {
    assert_eq!(meta::identity_value(LOG_ID), bytes(META));
    for (format, value) in [(1, META_1), (2, META)] {
        let identity = Identity { format, id: LOG_ID };
        assert_eq!(meta::read_identity(&bytes(value)).unwrap(), identity);
    }

    let checkpoint = samples::checkpoint(300);
    assert_eq!(meta::checkpoint_value(&checkpoint), bytes(CHECKPOINT));
    assert_eq!(
        meta::read_checkpoint(&bytes(CHECKPOINT)).unwrap(),
        checkpoint
    );
}
