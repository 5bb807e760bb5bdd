//! Which shadow shows which blocks. Pieces lie apart from each other: of two shadows over one block the younger shows it, and the
//! older is cut, whatever the order in which a shard hears of them.

use super::api::ShadowId;
use protocol::VolumeId;
use std::collections::BTreeMap;

/// Blocks from its key's up to `end`, shown from a shadow whose data begin at block `start`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shown {
    end: u64,
    start: u64,
    id: ShadowId,
}

/// Part of a range that a shadow shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    pub lba: u64,
    pub end: u64,
    /// The first block of the shadow's data.
    pub start: u64,
    pub id: ShadowId,
}

#[derive(Debug, Default)]
pub struct Pieces {
    map: BTreeMap<(VolumeId, u64), Shown>,
    /// How many pieces each shadow has.
    counts: BTreeMap<ShadowId, u32>,
}

impl Pieces {
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// What shows blocks of a range, cut to it, the last one first.
    pub fn over(&self, volume: VolumeId, lba: u64, end: u64) -> impl Iterator<Item = Piece> + '_ {
        let before = self.map.range((volume, 0)..(volume, end)).rev();
        let hit = before.take_while(move |(_, shown)| shown.end > lba);
        hit.map(move |((_, from), shown)| Piece {
            lba: lba.max(*from),
            end: end.min(shown.end),
            start: shown.start,
            id: shown.id,
        })
    }

    pub fn overlaps(&self, volume: VolumeId, lba: u64, end: u64) -> bool {
        self.over(volume, lba, end).next().is_some()
    }

    /// A shadow shows its blocks from now on, but for those of younger ones. Those that show nothing any more are added to
    /// `gone`, be it itself.
    pub fn put(
        &mut self,
        volume: VolumeId,
        lba: u64,
        end: u64,
        id: ShadowId,
        gone: &mut Vec<ShadowId>,
    ) {
        let hit: Vec<Piece> = self.over(volume, lba, end).collect();
        // Held until the end, so that what is cut and stays is not taken for gone in between.
        *self.counts.entry(id).or_default() += 1;
        let mut at = lba;
        for piece in hit.iter().rev() {
            if piece.id > id {
                self.show(volume, at, piece.lba, lba, id);
                at = piece.end;
            } else {
                self.cut(volume, *piece, gone);
            }
        }
        self.show(volume, at, end, lba, id);
        self.one_less(id, gone);
    }

    /// A shadow shows nothing of a range any more. True: it shows nothing at all.
    pub fn take(&mut self, volume: VolumeId, lba: u64, end: u64, id: ShadowId) -> bool {
        let mut gone = Vec::new();
        let hit: Vec<Piece> = self.over(volume, lba, end).collect();
        for piece in hit.into_iter().filter(|p| p.id == id) {
            self.cut(volume, piece, &mut gone);
        }
        !gone.is_empty()
    }

    fn show(&mut self, volume: VolumeId, lba: u64, end: u64, start: u64, id: ShadowId) {
        if lba < end {
            self.map.insert((volume, lba), Shown { end, start, id });
            *self.counts.entry(id).or_default() += 1;
        }
    }

    /// Takes a part out of the piece that it is of.
    fn cut(&mut self, volume: VolumeId, part: Piece, gone: &mut Vec<ShadowId>) {
        let of = self.map.range((volume, 0)..=(volume, part.lba)).next_back();
        let Some((&(_, from), &shown)) = of else {
            return;
        };
        self.map.remove(&(volume, from));
        self.show(volume, from, part.lba, shown.start, shown.id);
        self.show(volume, part.end, shown.end, shown.start, shown.id);
        self.one_less(shown.id, gone);
    }

    fn one_less(&mut self, id: ShadowId, gone: &mut Vec<ShadowId>) {
        if let Some(count) = self.counts.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&id);
                gone.push(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::btree_map::Entry;

    const V: VolumeId = VolumeId(0);

    fn id(seq: u64) -> ShadowId {
        ShadowId { seq, shard: 0 }
    }

    #[test]
    fn a_younger_one_cuts_and_an_older_one_fills_the_gaps() {
        let (mut p, mut gone) = (Pieces::default(), Vec::new());
        p.put(V, 0, 10, id(2), &mut gone);
        p.put(V, 4, 6, id(3), &mut gone);
        p.put(V, 8, 12, id(1), &mut gone);
        let all: Vec<(u64, u64, u64, u64)> = p
            .over(V, 1, 11)
            .map(|p| (p.lba, p.end, p.start, p.id.seq))
            .collect();
        assert_eq!(
            all,
            [(10, 11, 8, 1), (6, 10, 0, 2), (4, 6, 4, 3), (1, 4, 0, 2)]
        );
        assert_eq!(gone, []);
        p.put(V, 0, 12, id(4), &mut gone);
        gone.sort_unstable();
        assert_eq!(gone, [id(1), id(2), id(3)]);
        gone.clear();
        p.put(V, 3, 5, id(1), &mut gone);
        assert_eq!(gone, [id(1)], "it shows nothing from the start");
        assert!(!p.take(V, 0, 6, id(4)));
        assert!(p.take(V, 0, 12, id(4)));
        assert!(p.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Against a table of blocks.
        #[test]
        fn pieces_are_as_a_table_of_blocks(
            ops in prop::collection::vec((0..4u8, 0..2u16, 0..40u64, 1..20u64, 1..12u64), 1..120),
        ) {
            let mut pieces = Pieces::default();
            let mut plain: BTreeMap<(u16, u64), (u64, u64)> = BTreeMap::new();
            let mut known: BTreeMap<u64, u16> = BTreeMap::new();
            for (op, volume, lba, blocks, seq) in ops {
                let end = lba + blocks;
                if op == 0 {
                    let here = |(v, b): (u16, u64)| v == volume && (lba..end).contains(&b);
                    plain.retain(|at, held| !(here(*at) && held.0 == seq));
                    let left = plain.values().any(|held| held.0 == seq);
                    let was = known.get(&seq) == Some(&volume);
                    prop_assert_eq!(pieces.take(VolumeId(volume), lba, end, id(seq)), was && !left);
                    if !left {
                        known.remove(&seq);
                    }
                } else if let Entry::Vacant(fresh) = known.entry(seq) {
                    // A shadow is put once.
                    fresh.insert(volume);
                    for b in lba..end {
                        let held = plain.entry((volume, b)).or_insert((seq, lba));
                        if held.0 < seq {
                            *held = (seq, lba);
                        }
                    }
                    let mut gone = Vec::new();
                    pieces.put(VolumeId(volume), lba, end, id(seq), &mut gone);
                    let mut expected: Vec<u64> = known.keys().copied().collect();
                    expected.retain(|seq| !plain.values().any(|held| held.0 == *seq));
                    gone.sort_unstable();
                    let got: Vec<u64> = gone.iter().map(|id| id.seq).collect();
                    prop_assert_eq!(&got, &expected);
                    known.retain(|seq, _| !got.contains(seq));
                }
                let mut shown: BTreeMap<(u16, u64), (u64, u64)> = BTreeMap::new();
                for v in 0..2 {
                    for p in pieces.over(VolumeId(v), 0, 100) {
                        prop_assert!(p.lba < p.end);
                        for b in p.lba..p.end {
                            prop_assert_eq!(shown.insert((v, b), (p.id.seq, p.start)), None);
                        }
                    }
                }
                prop_assert_eq!(&shown, &plain);
                prop_assert_eq!(pieces.is_empty(), plain.is_empty());
            }
        }
    }
}
