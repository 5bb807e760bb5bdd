//! Buffers of the stamps that reads returned, used again and again.

use crate::api::{DataId, Stamp};

#[derive(Default)]
pub(crate) struct DataStore {
    buffers: Vec<Buffer>,
    free: Vec<u32>,
}

struct Buffer {
    taken: bool,
    stamps: Vec<Stamp>,
}

impl DataStore {
    /// An empty buffer.
    pub fn take(&mut self) -> (DataId, &mut Vec<Stamp>) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(Buffer {
                taken: false,
                stamps: Vec::new(),
            });
            self.buffers.len() as u32 - 1
        });
        let buffer = &mut self.buffers[index as usize];
        buffer.taken = true;
        buffer.stamps.clear();
        (DataId(index), &mut buffer.stamps)
    }

    pub fn copy(&mut self, id: DataId) -> DataId {
        let (copy, _) = self.take();
        let [from, to] = self
            .buffers
            .get_disjoint_mut([id.0 as usize, copy.0 as usize])
            .expect("two taken buffers are two");
        to.stamps.extend_from_slice(&from.stamps);
        copy
    }

    pub fn get(&self, id: DataId) -> &[Stamp] {
        match self.buffers.get(id.0 as usize) {
            Some(buffer) if buffer.taken => &buffer.stamps,
            _ => &[],
        }
    }

    #[cfg(feature = "mutants")]
    pub fn get_mut(&mut self, id: DataId) -> &mut [Stamp] {
        &mut self.buffers[id.0 as usize].stamps
    }

    /// Gives a buffer back; one that is not taken is left alone.
    pub fn release(&mut self, id: DataId) {
        if let Some(buffer) = self.buffers.get_mut(id.0 as usize)
            && buffer.taken
        {
            buffer.taken = false;
            self.free.push(id.0);
        }
    }

    /// Every stamp in a buffer that is taken.
    pub fn for_each(&self, visit: &mut dyn FnMut(Stamp)) {
        let taken = self.buffers.iter().filter(|b| b.taken);
        taken.flat_map(|b| &b.stamps).for_each(|s| visit(*s));
    }

    pub fn taken(&self) -> usize {
        self.buffers.len() - self.free.len()
    }
}
