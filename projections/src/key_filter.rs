//! Tells what is new without a look into the store, for who has filled the store from its beginning.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::RandomState;

/// Words of 64 bits in a block, which is as long as a line of the processor's cache.
const BLOCK_WORDS: usize = 8;

/// Blocks: 2 MiB. With two million keys one new key in fifty is looked up in vain; from some eight million on most are, as
/// all are without a filter.
const BLOCKS: usize = 32 * 1024;

/// Bits that a key sets in its block.
const BITS: u32 = 4;

/// A Bloom filter of the keys that were put into the store since it was empty. Each key has one block, so that to ask for it
/// is to wait for memory once, or twice where the allocator begins within a line.
pub struct KeyFilter {
    blocks: Box<[[u64; BLOCK_WORDS]]>,
    hasher: RandomState,
}

impl KeyFilter {
    /// One of an empty store.
    pub fn empty() -> Self {
        Self {
            blocks: vec![[0; BLOCK_WORDS]; BLOCKS].into(),
            hasher: RandomState::default(),
        }
    }

    /// Notes that a key is put.
    pub fn put(&mut self, key: impl Hash) {
        let (block, mask) = self.place(key);
        for (word, bits) in self.blocks[block].iter_mut().zip(mask) {
            *word |= bits;
        }
    }

    /// Whether a key may be in the store. Where not, it was never put.
    pub fn may_have(&self, key: impl Hash) -> bool {
        let (block, mask) = self.place(key);
        let mut words = self.blocks[block].iter().zip(mask);
        words.all(|(word, bits)| word & bits == bits)
    }

    /// A key's block, and its bits there.
    fn place(&self, key: impl Hash) -> (usize, [u64; BLOCK_WORDS]) {
        let mut hash = self.hasher.hash_one(key);
        let mut take = |of: usize| {
            let taken = hash % of as u64;
            hash /= of as u64;
            // Below `of`, so that nothing is cut off.
            usize::try_from(taken).unwrap_or_default()
        };
        let block = take(BLOCKS);
        let mut mask = [0; BLOCK_WORDS];
        for _ in 0..BITS {
            mask[take(BLOCK_WORDS)] |= 1 << take(64);
        }
        (block, mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_may_be_there_and_most_else_is_not() {
        let mut filter = KeyFilter::empty();
        assert!(!filter.may_have("o1"));
        for number in 0..100_000 {
            filter.put(number);
        }
        assert!((0..100_000).all(|number| filter.may_have(number)));
        let in_vain = (100_000..200_000).filter(|number| filter.may_have(*number));
        assert!(in_vain.count() < 1_000);
    }
}
