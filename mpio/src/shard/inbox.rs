//! What other threads tell a shard: its siblings, the keeper of the devices, the control plane. A queue, and a counter that
//! the shard's ring watches, so that a message wakes it.
#![forbid(unsafe_code)]

use super::keeper::Told;
use super::reset::Quiet;
use crate::sys;
use datapath::core::{Input, PeerMessage};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

#[derive(Debug)]
pub enum Message {
    /// Of the sibling core of the same volume. In order, once each.
    Peer { volume: u16, message: PeerMessage },
    /// The slot has a device from now on.
    AddPath { volume: u16, path: u16 },
    /// No more I/O on this path; its file is closed when nothing is out on it.
    RemovePath { volume: u16, path: u16 },
    /// The operator's word for one core.
    Operator { volume: u16, input: Input },
    /// The keeper's answer.
    Told(Told),
    /// End what has begun and begin nothing more: another daemon takes over.
    LetGo,
    /// The path's unit is to be reset: hold requests, and say when nothing is under way elsewhere.
    Quiet {
        volume: u16,
        path: u16,
        quiet: Arc<Quiet>,
    },
    /// Requests go on.
    Resume { volume: u16 },
    /// It is over; `proven`: with it, every write that was lost on the path when it began.
    WasReset {
        volume: u16,
        path: u16,
        proven: bool,
    },
}

#[derive(Clone, Debug)]
pub struct Outbox {
    queue: Sender<Message>,
    bell: Arc<File>,
}

impl Outbox {
    /// A shard that has ended hears nothing, and needs nothing.
    pub fn send(&self, message: Message) {
        if self.queue.send(message).is_ok() {
            let _ = (&*self.bell).write_all(&1u64.to_ne_bytes());
        }
    }
}

#[derive(Debug)]
pub struct Inbox {
    queue: Receiver<Message>,
    bell: Arc<File>,
}

impl Inbox {
    pub fn new() -> io::Result<(Outbox, Inbox)> {
        let (send, queue) = channel();
        let bell = Arc::new(sys::event()?);
        let outbox = Outbox {
            queue: send,
            bell: bell.clone(),
        };
        Ok((outbox, Inbox { queue, bell }))
    }

    pub fn next(&self) -> Option<Message> {
        self.queue.try_recv().ok()
    }

    /// Before the queue is looked at: what comes later rings again.
    pub fn hush(&self) {
        let _ = (&*self.bell).read(&mut [0; 8]);
    }

    /// To be watched for input.
    pub fn bell(&self) -> &File {
        &self.bell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_order_and_ring() {
        let (outbox, inbox) = Inbox::new().unwrap();
        let message = |volume| Message::Peer {
            volume,
            message: PeerMessage::GateOpen { shard: 1 },
        };
        for volume in 0..3 {
            outbox.send(message(volume));
        }
        let mut count = [0; 8];
        inbox.bell().read_exact(&mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 3);
        for wanted in 0..3 {
            let Some(Message::Peer { volume, .. }) = inbox.next() else {
                panic!("no message")
            };
            assert_eq!(volume, wanted);
        }
        assert!(inbox.next().is_none());
        drop(inbox);
        outbox.send(message(0));
    }
}
