//! Which stamps still matter. Who keeps the data that the stamps stand for (an array that serves a real block device does) may forget those
//! of every other stamp.

use crate::Array;
use crate::api::Stamp;

impl Array {
    /// Every stamp that the array may still return or write, some of them often, and some that are over already.
    /// In no order that means anything.
    pub fn for_each_stamp(&self, visit: &mut dyn FnMut(Stamp)) {
        for volume in &self.volumes {
            volume.for_each_stamp(visit);
        }
        self.data.for_each(visit);
        self.commands.for_each(|c| visit(c.command.stamp));
    }
}
