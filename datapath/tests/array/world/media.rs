//! What is on the media, block by block, and what programs were told. Judges three things as they happen: an effect of a
//! write after its completion, old data where newer were acknowledged, and data that were acknowledged and are not there.

use protocol::Instant;
use std::collections::HashMap;

#[derive(Clone, Copy, Debug)]
struct Write {
    submitted: Instant,
    completed: Option<(Instant, bool)>,
    lba: u64,
    blocks: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// The write whose data it holds; 0: none.
    holds: u64,
    /// The latest submission among the writes to it that were acknowledged.
    acknowledged: Option<Instant>,
}

#[derive(Debug, Default)]
pub struct Media {
    writes: HashMap<u64, Write>, // determinism: never iterated
    blocks: HashMap<u64, Block>, // determinism: never iterated
}

impl Media {
    pub fn submit(&mut self, now: Instant, cookie: u64, lba: u64, blocks: u64) {
        let write = Write {
            submitted: now,
            completed: None,
            lba,
            blocks,
        };
        self.writes.insert(cookie, write);
    }

    pub fn execute(&mut self, now: Instant, cookie: u64, lba: u64, blocks: u64) {
        let write = self.writes[&cookie];
        for at in lba..lba + blocks {
            let block = self.blocks.entry(at).or_default();
            let ghost = match write.completed {
                None => false,
                Some((_, true)) => block.holds != cookie,
                // Of a failed write it is not known whether it will happen, until a later one is acknowledged.
                Some((failed, false)) => {
                    block.holds != cookie && block.acknowledged.is_some_and(|s| s > failed)
                }
            };
            assert!(
                !ghost,
                "a ghost of the completed write {cookie} changes block {at} at {now:?}"
            );
            block.holds = cookie;
        }
    }

    pub fn complete(&mut self, now: Instant, cookie: u64, ok: bool) {
        let write = self.writes.get_mut(&cookie).expect("it was submitted");
        write.completed = Some((now, ok));
        let write = *write;
        if !ok {
            return;
        }
        for at in write.lba..write.lba + write.blocks {
            let block = self.blocks.entry(at).or_default();
            let latest = block
                .acknowledged
                .map_or(write.submitted, |s| s.max(write.submitted));
            block.acknowledged = Some(latest);
            let holds = block.holds;
            let old = match self.writes.get(&holds) {
                None => true,
                Some(held) => held.completed.is_some_and(|(end, _)| end < latest),
            };
            assert!(
                !old,
                "write {cookie} is acknowledged at {now:?}, and block {at} holds what was there before: {holds}"
            );
        }
    }
}
