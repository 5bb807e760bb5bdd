//! The core's answers: a vector that the driver owns, empties and hands in again, so that it never allocates twice.

use super::api::{Action, Event};

#[derive(Debug, Default)]
pub struct Actions(Vec<Action>);

impl Actions {
    pub fn with_capacity(n: usize) -> Self {
        Actions(Vec::with_capacity(n))
    }

    #[inline]
    pub fn push(&mut self, action: Action) {
        self.0.push(action);
    }

    #[inline]
    pub fn event(&mut self, event: Event) {
        self.0.push(Action::Event(event));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn as_slice(&self) -> &[Action] {
        &self.0
    }

    pub fn drain(&mut self) -> std::vec::Drain<'_, Action> {
        self.0.drain(..)
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}
