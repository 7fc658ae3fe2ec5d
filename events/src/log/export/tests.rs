use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::log::{Batch, Record};

use crate::log::memory::MemoryLog;
use crate::log::samples::{any_entry, any_time, assert_same, at, batch, checkpoint, entry, raw};
use crate::log::sled_log::SledLog;

fn exported(log: Arc<dyn EventLog>) -> String {
    let chunks: Result<Vec<_>, _> = Export::of(log).collect();
    String::from_utf8(chunks.unwrap().concat()).unwrap()
}

/// A new log made of an export; the error where it is none.
fn restored(export: &str) -> Result<(TempDir, SledLog), RestoreError> {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open(directory.path()).unwrap();
    let mut restore = Restore::new(&log)?;
    for line in export.lines() {
        restore.take(line.as_bytes())?;
    }
    restore.finish(|_| {})?;
    Ok((directory, log))
}

fn refused(export: &str) -> String {
    restored(export).err().expect("a refusal").to_string()
}

fn all(log: &dyn EventLog) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let read = log.read(records.len() as u64 + 1, 100).unwrap();
        if read.is_empty() {
            return records;
        }
        records.extend(read);
    }
}

/// Three records in two batches.
fn small_log() -> MemoryLog {
    let log = MemoryLog::new();
    let entries = vec![entry("o1", "a"), entry("o1", "b")];
    log.append(batch(entries)).unwrap();
    log.append(Batch {
        checkpoint: Some(checkpoint(7)),
        recorded_at: at(200),
        ..batch(vec![entry("o2", "c")])
    })
    .unwrap();
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_restored_log_has_the_same_records_at_the_same_places(
        batches in prop::collection::vec((prop::collection::vec(any_entry(), 0..20), any_time()), 0..6),
        read_up_to in prop::option::of(1..1_000_u64),
    ) {
        let original: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        for (entries, recorded_at) in batches {
            original.append(Batch { entries, checkpoint: None, recorded_at }).unwrap();
        }
        original.append(Batch { checkpoint: read_up_to.map(checkpoint), ..Batch::default() }).unwrap();

        let export = exported(Arc::clone(&original));
        let (_directory, copy) = restored(&export).unwrap();

        assert_same(&all(&copy), &all(&*original));
        prop_assert_eq!(copy.head(), original.head());
        let again = exported(Arc::new(copy));
        // Another log: only its id differs.
        let of = |export: &str| export.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        let (again, export) = (of(&again), of(&export));
        prop_assert_eq!(&again[..again.len() - 1], &export[..export.len() - 1]);
    }
}

#[test]
fn data_is_kept_byte_for_byte_also_where_a_line_ends_in_it() {
    let log = MemoryLog::new();
    let texts = [
        "{\n  \"orderId\": \"o\"\r\n}",
        "{ \"amount\" : 1.50 , \"big\": 123456789012345678901234567890 }",
        "{\"a\":1,\"a\":2,\"text\":\"\\u00e5 \u{2028} \\/\"}",
        "null",
    ];
    let entries = texts.iter().enumerate().map(|(number, text)| {
        let mut entry = entry("o", &number.to_string());
        entry.event.data = raw(*text);
        entry
    });
    log.append(batch(entries.collect())).unwrap();

    let export = exported(Arc::new(log));
    assert_eq!(export.lines().count(), 1 + texts.len() + 1, "{export}");
    let (_directory, copy) = restored(&export).unwrap();

    let kept = all(&copy);
    let kept: Vec<&str> = kept.iter().map(|record| record.data.get()).collect();
    assert_eq!(kept, texts);
}

#[test]
fn a_line_is_a_cloud_event_that_shows_what_the_log_added() {
    let export = exported(Arc::new(small_log()));
    let lines: Vec<&str> = export.lines().collect();
    assert_eq!(
        lines[1],
        r#"{"specversion":"1.0","position":"1","recordedtime":"1970-01-01T00:01:40Z","source":"pos","id":"a","type":"no.entur.sales.OrderConfirmed","time":"1970-01-01T00:00:01Z","aboutorder":"o1","datacontenttype":"application/json","data":{"orderId":"o1","orderVersion":1}}"#
    );
    let header: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(header["data"]["lastPosition"], 3);
    assert_eq!(header["data"]["checkpoint"]["sequence"], 7);
}

#[test]
fn what_comes_after_the_export_began_is_left_out() {
    let log = Arc::new(small_log());
    let mut export = Export::of(Arc::clone(&log) as Arc<dyn EventLog>);
    let mut bytes = export.next().unwrap().unwrap();
    log.append(Batch {
        checkpoint: Some(checkpoint(9)),
        recorded_at: at(300),
        ..batch(vec![entry("o3", "late")])
    })
    .unwrap();
    for chunk in export {
        bytes.extend(chunk.unwrap());
    }
    let (_directory, copy) = restored(std::str::from_utf8(&bytes).unwrap()).unwrap();
    assert_eq!(copy.head().position, 3);
    assert_eq!(copy.head().checkpoint.map(|at| at.sequence), Some(7));
}

#[test]
fn an_export_that_was_cut_off_is_refused_wherever_that_was() {
    let export = exported(Arc::new(small_log()));
    let ends = export.match_indices('\n').map(|(end, _)| end).take(4);
    for cut in (0..export.len() - 1).step_by(61).chain(ends) {
        let refused = refused(&export[..cut]);
        assert!(
            refused.contains("was cut off") || refused.starts_with("line "),
            "{cut}: {refused}"
        );
    }
}

#[test]
fn a_wrong_line_is_named_by_its_number() {
    let export = exported(Arc::new(small_log()));
    let lines: Vec<&str> = export.lines().collect();
    let with = |number: usize, line: &str| {
        let mut changed = lines.clone();
        changed[number - 1] = line;
        changed.join("\n")
    };
    let without = |number: usize| {
        let mut changed = lines.clone();
        changed.remove(number - 1);
        changed.join("\n")
    };
    let cases = [
        (
            with(1, lines[1]),
            "line 1 of the export is wrong: a line of type LogExport is expected here",
        ),
        (
            with(
                1,
                &lines[0].replace("\"formatVersion\":1", "\"formatVersion\":2,\"new\":1"),
            ),
            "line 1 of the export is wrong: the export has form 2, this farelog knows up to 1",
        ),
        (
            with(2, "{\"id\":"),
            "line 2 of the export is wrong: EOF while parsing a value (column 6)",
        ),
        (
            without(2),
            "line 2 of the export is wrong: it has position 2, where 1 is next",
        ),
        (
            with(3, lines[1]),
            "line 3 of the export is wrong: it has position 1, where 2 is next",
        ),
        (
            with(3, &lines[2].replace("00:01:40Z", "00:01:39Z")),
            "line 3 of the export is wrong: it was recorded before the record before it",
        ),
        (
            with(3, &lines[2].replace("\"data\"", "\"date\"")),
            "line 3 of the export is wrong: unknown field `date`",
        ),
        (
            with(3, &lines[2].replace("\"o1\",", "\"o 1\",")),
            "line 3 of the export is wrong: aboutorder: an id is",
        ),
        (without(4), "line 4 of the export is wrong: "),
        (
            with(5, &lines[4].replace("Position\":3", "Position\":4")),
            "line 5 of the export is wrong: it names another number of records",
        ),
        (
            format!("{export}{}", lines[1]),
            "line 6 of the export is wrong: the export ended with the line before it",
        ),
    ];
    for (export, expected) in cases {
        let refused = refused(&export);
        assert!(refused.starts_with(expected), "{expected}\n{refused}");
    }
}

#[test]
fn an_export_that_was_changed_is_refused() {
    let export = exported(Arc::new(small_log()));
    let refused = refused(&export.replace("\"orderVersion\":1", "\"orderVersion\":2"));
    assert!(
        refused.contains("was changed after it was made"),
        "{refused}"
    );
}

#[test]
fn only_a_new_log_is_restored_into() {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open(directory.path()).unwrap();
    log.append(batch(vec![entry("o", "1")])).unwrap();
    assert!(matches!(Restore::new(&log), Err(RestoreError::NotEmpty)));
}
