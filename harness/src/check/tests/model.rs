//! Random histories, legal and illegal, against a model that remembers everything and looks everywhere.

use super::*;
use proptest::prelude::*;

const BLOCKS: usize = 24;
const SLOTS: usize = 5;
/// Blocks of the atomic unit of 512-byte blocks.
const UNIT: usize = 8;

struct Io {
    stamp: Stamp,
    read: bool,
    lba: usize,
    blocks: usize,
    submitted: usize,
    /// When, and whether without error.
    completed: Option<(usize, bool)>,
    covered: [bool; BLOCKS],
}

/// All commands and all states of the media, one a step.
struct Model {
    ios: Vec<Io>,
    open: [Option<usize>; SLOTS],
    /// The media after each step.
    media: Vec<[Stamp; BLOCKS]>,
}

impl Model {
    fn now(&self) -> [Stamp; BLOCKS] {
        *self.media.last().unwrap()
    }

    fn step(&self) -> usize {
        self.media.len()
    }

    /// Whether an effect of this command is a ghost, by the words of the rule.
    fn is_ghost(&self, io: &Io, lba: usize, blocks: usize) -> bool {
        let mut changed = (lba..lba + blocks).filter(|b| self.now()[*b] != io.stamp);
        match io.completed {
            None => false,
            Some((_, true)) => changed.next().is_some(),
            Some((failed, false)) => changed.any(|b| {
                self.ios.iter().any(|later| {
                    !later.read
                        && later.submitted > failed
                        && matches!(later.completed, Some((_, true)))
                        && (later.lba..later.lba + later.blocks).contains(&b)
                })
            }),
        }
    }

    /// What a read of these blocks that returned `data` breaks.
    fn judge(&self, io: &Io, data: &[Stamp]) -> Option<&'static str> {
        // The state before the submission's own step is the first that it could see.
        let moments = &self.media[io.submitted - 1..];
        let at = |m: &[Stamp; BLOCKS], i: usize| m[io.lba + i] == data[i];
        if (0..io.blocks).any(|i| !moments.iter().any(|m| at(m, i))) {
            return Some("stale_read");
        }
        let together = moments.iter().any(|m| (0..io.blocks).all(|i| at(m, i)));
        (io.blocks <= UNIT && !together).then_some("torn_write")
    }
}

/// One step: what, and numbers to choose by.
type Choice = (u8, u8, u8, u8, u8);

fn run(choices: &[Choice]) -> [u64; 4] {
    const RULES: [&str; 4] = ["stale_read", "ghost_write", "torn_write", "lost_write"];
    let mut b = Bench::new();
    let mut model = Model {
        ios: Vec::new(),
        open: [None; SLOTS],
        media: vec![[0; BLOCKS]],
    };
    let mut expected = [0u64; 4];
    for &(what, slot, x, y, z) in choices {
        let slot = usize::from(slot) % SLOTS;
        let mut media = model.now();
        let mut broken: Option<&str> = None;
        match (what % 8, model.open[slot]) {
            // Submit where the slot is free.
            (0..=3, None) => {
                let lba = usize::from(x) % BLOCKS;
                let longest = if y < 128 { UNIT } else { BLOCKS };
                let blocks = 1 + usize::from(y) % longest.min(BLOCKS - lba);
                let read = z % 2 == 0;
                let stamp = if read {
                    b.read(slot as u32, lba as u64, blocks as u32);
                    0
                } else {
                    b.write(slot as u32, lba as u64, blocks as u32)
                };
                model.open[slot] = Some(model.ios.len());
                model.ios.push(Io {
                    stamp,
                    read,
                    lba,
                    blocks,
                    submitted: model.step(),
                    completed: None,
                    covered: [false; BLOCKS],
                });
            }
            // Complete.
            (0..=1, Some(i)) => {
                let io = &model.ios[i];
                let ok = x % 4 != 0;
                let data: Vec<Stamp> = if io.read && ok {
                    let from = io.submitted - 1;
                    let at = |n: u8| {
                        let back = usize::from(n) % (model.media.len() - from);
                        &model.media[model.media.len() - 1 - back]
                    };
                    match x % 16 {
                        // A state of its life, rarely one of before, a mix of two, or something made up.
                        1..=9 => at(y)[io.lba..io.lba + io.blocks].to_vec(),
                        10..=12 => {
                            let state = &model.media[usize::from(y) % model.media.len()];
                            state[io.lba..io.lba + io.blocks].to_vec()
                        }
                        13 | 14 => {
                            let half = usize::from(z) % io.blocks;
                            let mut data = at(y)[io.lba..io.lba + io.blocks].to_vec();
                            data[..half].copy_from_slice(&at(z)[io.lba..io.lba + half]);
                            data
                        }
                        _ => model
                            .ios
                            .iter()
                            .map(|w| w.stamp)
                            .cycle()
                            .take(io.blocks)
                            .collect(),
                    }
                } else {
                    Vec::new()
                };
                if ok && io.read {
                    broken = model.judge(io, &data);
                } else if ok && (io.lba..io.lba + io.blocks).any(|b| !io.covered[b]) {
                    broken = Some("lost_write");
                }
                if ok {
                    b.data(slot as u32, &data);
                } else {
                    b.fail(slot as u32);
                }
                model.ios[i].completed = Some((model.step(), ok));
                model.open[slot] = None;
            }
            // An effect: of the slot's write, or of any write that ever was.
            _ => {
                let any = usize::from(x) % model.ios.len().max(1);
                let i = match model.open[slot] {
                    Some(i) if what % 8 < 7 => i,
                    _ => any,
                };
                let Some(io) = model.ios.get(i).filter(|io| !io.read) else {
                    continue;
                };
                let (mut lba, mut blocks) = (io.lba, io.blocks);
                if blocks > UNIT && z % 2 == 0 {
                    lba += usize::from(y) % blocks;
                    blocks = 1 + usize::from(z) % (io.lba + io.blocks - lba);
                }
                if model.is_ghost(io, lba, blocks) {
                    broken = Some("ghost_write");
                }
                b.effect(lba as u64, blocks as u32, io.stamp);
                media[lba..lba + blocks].fill(io.stamp);
                model.ios[i].covered[lba..lba + blocks].fill(true);
            }
        }
        model.media.push(media);
        for (rule, count) in RULES.iter().zip(&mut expected) {
            *count += u64::from(broken == Some(*rule));
            assert_eq!(
                b.checker.count(rule),
                *count,
                "{rule} after step {}: {:#?}",
                model.step(),
                b.checker.findings()
            );
        }
    }
    assert!(b.checker.findings().all(|f| RULES.contains(&f.rule)));
    expected
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]
    #[test]
    fn the_rules_agree_with_a_model_that_remembers_everything(
        choices in prop::collection::vec(any::<Choice>(), 1..150)
    ) {
        run(&choices);
    }
}

/// The random histories are worth something: they break every rule, and many break none.
#[test]
fn random_histories_are_of_every_kind() {
    let mut draw = protocol::rng::Stream::new(1, "histories");
    let mut broken = [0u64; 4];
    let mut clean = 0;
    for _ in 0..3_000 {
        let mut byte = || draw.below(256) as u8;
        let choices: Vec<Choice> = (0..30)
            .map(|_| (byte(), byte(), byte(), byte(), byte()))
            .collect();
        let found = run(&choices);
        clean += u64::from(found == [0; 4]);
        for (sum, n) in broken.iter_mut().zip(found) {
            *sum += n;
        }
    }
    assert!(
        broken.iter().all(|n| *n > 10) && clean > 100,
        "{broken:?}, {clean} clean"
    );
}
