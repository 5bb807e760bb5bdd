//! Slots that are used again, named by index and turn, so that nothing is allocated per I/O and a stale name (an
//! event of a command that a fence has dropped, say) is recognised instead of hitting the slot's next tenant.

/// Names one tenancy of a slot. Turns are odd while the slot is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    pub index: u32,
    pub turn: u32,
}

impl Key {
    pub const NONE: Key = Key {
        index: u32::MAX,
        turn: 0,
    };
}

struct Slot<T> {
    turn: u32,
    value: T,
}

pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub fn new() -> Self {
        Slab {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    #[inline]
    pub fn insert(&mut self, value: T) -> Key {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.turn = slot.turn.wrapping_add(1);
            slot.value = value;
            return Key {
                index,
                turn: slot.turn,
            };
        }
        let index = self.slots.len() as u32;
        self.slots.push(Slot { turn: 1, value });
        Key { index, turn: 1 }
    }

    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        (slot.turn == key.turn).then_some(&slot.value)
    }

    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        (slot.turn == key.turn).then_some(&mut slot.value)
    }

    /// Every slot's value, of those that are free the last tenant's.
    pub fn for_each(&self, visit: impl FnMut(&T)) {
        self.slots.iter().map(|s| &s.value).for_each(visit);
    }

    /// The tenant of a slot whose tenancy the caller keeps alive (by a reference count).
    #[inline]
    pub fn at(&self, index: u32) -> &T {
        &self.slots[index as usize].value
    }

    #[inline]
    pub fn at_mut(&mut self, index: u32) -> &mut T {
        &mut self.slots[index as usize].value
    }

    pub fn key_of(&self, index: u32) -> Key {
        Key {
            index,
            turn: self.slots[index as usize].turn,
        }
    }

    #[inline]
    pub fn remove(&mut self, key: Key) {
        let slot = &mut self.slots[key.index as usize];
        debug_assert_eq!(slot.turn, key.turn);
        slot.turn = slot.turn.wrapping_add(1);
        self.free.push(key.index);
    }

    /// Every tenant in slot order, which depends on the history of calls alone.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            (slot.turn % 2 == 1).then_some((
                Key {
                    index: index as u32,
                    turn: slot.turn,
                },
                &slot.value,
            ))
        })
    }

    /// Calls `f` for every tenant, in the same order.
    pub fn each_mut(&mut self, mut f: impl FnMut(&mut T)) {
        for slot in self.slots.iter_mut().filter(|slot| slot.turn % 2 == 1) {
            f(&mut slot.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_names_nobody() {
        let mut slab = Slab::new();
        let a = slab.insert(1);
        slab.remove(a);
        let b = slab.insert(2);
        assert_eq!(a.index, b.index);
        assert_eq!(slab.get(a), None);
        assert_eq!(slab.get(b), Some(&2));
        assert_eq!(slab.iter().count(), 1);
        slab.remove(b);
        assert_eq!(slab.iter().count(), 0);
    }
}
