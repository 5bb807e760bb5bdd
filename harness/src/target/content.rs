//! What a block on a real device holds, so that a read tells which write it saw: a block is filled from the run, the write and its
//! address, every word of it, and nothing else looks like it. A block of which a part is another write's is torn.

/// "mpioblk1".
const MAGIC: u64 = u64::from_le_bytes(*b"mpioblk1");
const HEAD: usize = 4;

/// What was found in one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Whole, and written by this run's write of that number at this address.
    Write(u64),
    Zeroes,
    /// Written by this run for the block at this other address.
    Misplaced(u64),
    /// It begins as a block of this run and does not go on as one.
    Torn,
    /// Nothing of this run's.
    Other,
}

fn word(run: u64, write: u64, block: u64, index: usize) -> u64 {
    match index {
        0 => MAGIC,
        1 => run,
        2 => write,
        3 => block,
        _ => protocol::rng::splitmix64(
            write ^ run.rotate_left(17) ^ block.rotate_left(40) ^ ((index as u64) << 56),
        ),
    }
}

/// Fills `buf`, whole blocks of `block_bytes`, as what `write` of this run puts at `first` and after.
pub fn fill(buf: &mut [u8], block_bytes: usize, run: u64, write: u64, first: u64) {
    for (block, bytes) in (first..).zip(buf.chunks_exact_mut(block_bytes)) {
        for (index, w) in bytes.chunks_exact_mut(8).enumerate() {
            w.copy_from_slice(&word(run, write, block, index).to_le_bytes());
        }
    }
}

/// What one block, read at address `block`, holds.
pub fn read(bytes: &[u8], run: u64, block: u64) -> Found {
    let at = |index: usize| {
        let mut w = [0; 8];
        w.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
        u64::from_le_bytes(w)
    };
    if at(0) != MAGIC || at(1) != run {
        let zero = bytes.iter().all(|b| *b == 0);
        return if zero { Found::Zeroes } else { Found::Other };
    }
    let (write, place) = (at(2), at(3));
    if (HEAD..bytes.len() / 8).any(|i| at(i) != word(run, write, place, i)) {
        return Found::Torn;
    }
    if place == block {
        Found::Write(write)
    } else {
        Found::Misplaced(place)
    }
}

/// Whether this could be a block of an earlier run: such a device may be written over.
pub fn is_ours(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_says_which_write_it_is_and_where() {
        let mut buf = vec![0; 4 * 512];
        assert_eq!(read(&buf[..512], 7, 100), Found::Zeroes);
        fill(&mut buf, 512, 7, 42, 100);
        for i in 0..4 {
            let bytes = &buf[i * 512..(i + 1) * 512];
            assert_eq!(read(bytes, 7, 100 + i as u64), Found::Write(42));
            assert_eq!(read(bytes, 8, 100 + i as u64), Found::Other);
            assert_eq!(read(bytes, 7, 9), Found::Misplaced(100 + i as u64));
        }
    }

    #[test]
    fn every_changed_byte_shows() {
        let mut buf = vec![0; 512];
        for at in 0..512 {
            fill(&mut buf, 512, 7, 42, 100);
            buf[at] ^= 1;
            assert_ne!(read(&buf, 7, 100), Found::Write(42), "byte {at}");
        }
    }

    #[test]
    fn halves_of_two_writes_are_torn() {
        let (mut a, mut b) = (vec![0; 512], vec![0; 512]);
        fill(&mut a, 512, 7, 1, 5);
        fill(&mut b, 512, 7, 2, 5);
        a[256..].copy_from_slice(&b[256..]);
        assert_eq!(read(&a, 7, 5), Found::Torn);
    }
}
