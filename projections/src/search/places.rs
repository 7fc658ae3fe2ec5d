//! Places in order: of one way through the index, and those that several ways have in common.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::index::{self, KeyRange};
use super::place::GroupPlace;
use crate::store::{ProjectionError, Store};

/// Keys that are read one after the other before a stream looks for a place anew.
const KEYS_PASSED_MAX: u64 = 8;

/// What it takes to look for a place anew, in keys that could be read one after the other meanwhile.
const SEEK_KEYS: u64 = 8;

/// A stretch of the index: what stands before the places, the first place and the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// What stands before the places.
    pub prefix: Vec<u8>,
    /// The first place.
    pub first: GroupPlace,
    /// The last place.
    pub last: GroupPlace,
}

impl Stretch {
    /// Its keys.
    pub fn keys(&self) -> KeyRange {
        self.keys_from(self.first)
    }

    fn keys_from(&self, first: GroupPlace) -> KeyRange {
        let key = |place: GroupPlace| [&self.prefix, &place.to_bytes()[..]].concat();
        index::range(key(first), key(self.last.next()))
    }
}

/// The places of several stretches as one, in order, each once.
pub struct Places<'s> {
    streams: Vec<Stream<'s>>,
    /// The next place of each stream that has one.
    heads: BinaryHeap<Reverse<(GroupPlace, usize)>>,
}

impl<'s> Places<'s> {
    /// The places of these stretches that are not before `first`. What it costs is added to `keys_read`.
    pub fn open(
        store: &'s Store,
        stretches: &'s [Stretch],
        first: GroupPlace,
        keys_read: &mut u64,
    ) -> Result<Self, ProjectionError> {
        let mut places = Self {
            streams: Vec::with_capacity(stretches.len()),
            heads: BinaryHeap::with_capacity(stretches.len()),
        };
        for stretch in stretches {
            let mut stream = Stream::new(store, stretch);
            if let Some(head) = stream.look_up(first, keys_read)? {
                places.heads.push(Reverse((head, places.streams.len())));
            }
            places.streams.push(stream);
        }
        Ok(places)
    }

    /// The first place that is not before `at`. A place that was passed does not come again.
    pub fn seek(
        &mut self,
        at: GroupPlace,
        keys_read: &mut u64,
    ) -> Result<Option<GroupPlace>, ProjectionError> {
        while let Some(mut next) = self.heads.peek_mut() {
            let Reverse((head, stream)) = *next;
            if head >= at {
                return Ok(Some(head));
            }
            match self.streams[stream].seek(at, keys_read)? {
                Some(head) => *next = Reverse((head, stream)),
                None => {
                    PeekMut::pop(next);
                }
            }
        }
        Ok(None)
    }
}

/// The places of one stretch.
struct Stream<'s> {
    store: &'s Store,
    stretch: &'s Stretch,
    places: Box<dyn Iterator<Item = Result<Option<GroupPlace>, ProjectionError>>>,
}

impl<'s> Stream<'s> {
    fn new(store: &'s Store, stretch: &'s Stretch) -> Self {
        Self {
            store,
            stretch,
            places: Box::new(std::iter::empty()),
        }
    }

    /// The first place that is not before `at`, which is behind all that came.
    fn seek(
        &mut self,
        at: GroupPlace,
        keys_read: &mut u64,
    ) -> Result<Option<GroupPlace>, ProjectionError> {
        for _ in 0..KEYS_PASSED_MAX {
            match self.next(keys_read)? {
                Some(place) if place < at => {}
                found => return Ok(found),
            }
        }
        self.look_up(at, keys_read)
    }

    fn look_up(
        &mut self,
        at: GroupPlace,
        keys_read: &mut u64,
    ) -> Result<Option<GroupPlace>, ProjectionError> {
        *keys_read += SEEK_KEYS;
        let first = at.max(self.stretch.first);
        let keys = self.store.keys(self.stretch.keys_from(first));
        self.places = Box::new(keys.map(|key| key.map(|key| GroupPlace::of_key(&key))));
        self.next(keys_read)
    }

    fn next(&mut self, keys_read: &mut u64) -> Result<Option<GroupPlace>, ProjectionError> {
        *keys_read += 1;
        Ok(self.places.next().transpose()?.flatten())
    }
}

/// The places that several ways have in common, in order.
pub struct Crossing<'s> {
    ways: Vec<Places<'s>>,
}

/// How far a crossing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossed {
    /// Here all ways meet.
    At(GroupPlace),
    /// They don't meet before this place, and what may be spent is spent.
    Short(GroupPlace),
    /// They don't meet any more.
    Through,
}

impl<'s> Crossing<'s> {
    /// Where these ways meet, from `first` on. What it costs is added to `keys_read`.
    pub fn open(
        store: &'s Store,
        ways: &'s [Vec<Stretch>],
        first: GroupPlace,
        keys_read: &mut u64,
    ) -> Result<Self, ProjectionError> {
        let ways = ways.iter();
        let ways = ways.map(|way| Places::open(store, way, first, keys_read));
        Ok(Self {
            ways: ways.collect::<Result<_, _>>()?,
        })
    }

    /// The first place in common that is not before `at`, found before `keys_read` passes `keys_max`.
    pub fn seek(
        &mut self,
        mut at: GroupPlace,
        keys_read: &mut u64,
        keys_max: u64,
    ) -> Result<Crossed, ProjectionError> {
        // So many ways in a row have the place.
        let mut agreed = 0;
        for way in (0..self.ways.len()).cycle() {
            if agreed == self.ways.len() {
                return Ok(Crossed::At(at));
            }
            if *keys_read >= keys_max {
                return Ok(Crossed::Short(at));
            }
            match self.ways[way].seek(at, keys_read)? {
                Some(place) if place == at => agreed += 1,
                Some(place) => {
                    at = place;
                    agreed = 1;
                }
                None => return Ok(Crossed::Through),
            }
        }
        Ok(Crossed::Through)
    }
}
