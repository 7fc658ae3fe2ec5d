//! Packing and unpacking, and damage between the two.

use std::collections::BTreeMap;

use super::*;
use crate::log::samples;
use crate::log::unpack::{Pack, Unpacker};

#[derive(Default)]
struct Packs {
    packs: BTreeMap<Position, Vec<u8>>,
    chunks: BTreeMap<(Position, u32), Vec<u8>>,
}

impl PackSink for Packs {
    fn pack(&mut self, first: Position, value: &[u8]) {
        assert!(value.len() <= VALUE_BYTES_MAX);
        assert!(self.packs.insert(first, value.to_vec()).is_none());
    }

    fn chunk(&mut self, first: Position, number: u32, value: &[u8]) {
        assert!(value.len() <= VALUE_BYTES_MAX);
        self.chunks.insert((first, number), value.to_vec());
    }
}

impl Packs {
    fn of(records: &[Record], before: u64) -> (Self, u64) {
        let mut packs = Self::default();
        let after = Packer::new().unwrap().pack(records, before, &mut packs);
        (packs, after.unwrap())
    }

    fn unpack(&self, first: Position) -> Result<Pack, LogError> {
        let chunk = |number| Ok(self.chunks.get(&(first, number)).cloned());
        Unpacker::default().unpack(first, &self.packs[&first], chunk, |_| true)
    }
}

fn records(sizes: &[usize]) -> Vec<Record> {
    (7..)
        .zip(sizes)
        .map(|(position, &size)| {
            let entry = samples::large("o", "1", size);
            Record::from_entry(entry, position, chrono::DateTime::UNIX_EPOCH)
        })
        .collect()
}

#[test]
fn packs_follow_each_other_and_hold_what_was_packed() {
    for sizes in [
        &[10; 40][..],
        &[3_000; 20],
        &[10, 20_000, 10, 100_000, 7_000],
    ] {
        let records = records(sizes);
        let (packs, after) = Packs::of(&records, 42);
        let mut read = Vec::new();
        let mut digest = 42;
        for &first in packs.packs.keys() {
            assert_eq!(first, 7 + read.len() as Position);
            let pack = packs.unpack(first).unwrap();
            assert_eq!(pack.before, digest);
            digest = pack.after;
            read.extend(pack.records);
        }
        assert_eq!(digest, after);
        samples::assert_same(&read, &records);
    }
}

#[test]
fn the_chain_does_not_depend_on_the_packing() {
    let records = records(&[100; 20]);
    let (_, at_once) = Packs::of(&records, 0);
    let one_by_one = records
        .chunks(1)
        .fold(0, |digest, record| Packs::of(record, digest).1);
    assert_eq!(at_once, one_by_one);
}

#[test]
fn any_damaged_byte_is_found() {
    for sizes in [&[100, 100][..], &[9_000]] {
        let (mut packs, _) = Packs::of(&records(sizes), 0);
        let len = packs.packs[&7].len();
        for place in 0..len {
            packs.packs.get_mut(&7).unwrap()[place] ^= 0x10;
            let found = packs.unpack(7).err();
            assert!(matches!(found, Some(LogError::Corrupt { position: 7, .. })));
            packs.packs.get_mut(&7).unwrap()[place] ^= 0x10;
        }
        packs.unpack(7).unwrap();
        for place in (0..packs.chunks.get(&(7, 1)).map_or(0, Vec::len)).step_by(37) {
            packs.chunks.get_mut(&(7, 1)).unwrap()[place] ^= 0x01;
            let found = packs.unpack(7).err();
            assert!(matches!(found, Some(LogError::Corrupt { position: 7, .. })));
            packs.chunks.get_mut(&(7, 1)).unwrap()[place] ^= 0x01;
        }
        for end in 0..len {
            let short = packs.packs[&7][..end].to_vec();
            let whole = packs.packs.insert(7, short).unwrap();
            assert!(packs.unpack(7).is_err());
            packs.packs.insert(7, whole);
        }
    }
}

#[test]
fn a_pack_in_another_place_is_found() {
    let (mut packs, _) = Packs::of(&records(&[100; 20]), 0);
    let moved = packs.packs[&23].clone();
    packs.packs.insert(7, moved);
    assert!(packs.unpack(7).is_err());
}
