//! The array as a driver sees it: commands in, events out, and the time of the next event.
//!
//! All calls but `step` take the time, which must not lie before the last event that was carried out. What a call
//! causes at once (a reset that both ends see) comes out of the next `step`, at the same time.

use crate::api::{Assoc, Cache, Command, Config, DataId, Fault, FaultId, Out, Stamp};
use crate::conn::{ArrayEnd, Body, Conn, Message, NONE, Path};
use crate::controller::{Controller, InFlight, Place};
use crate::data::DataStore;
use crate::draw::ServiceTimes;
use crate::events::{Events, Kind};
use crate::faults::Active;
use crate::mutant::{Mutant, Planted};
use crate::slab::{Key, Slab};
use crate::volume::Volume;
use crate::wire::{ADMIN_BYTES, CAPSULE_BYTES, Port, TO_ARRAY};
use protocol::{Duration, Instant};

/// What of the configuration is asked for again and again.
pub(crate) struct Settings {
    pub seed: u64,
    pub block_bytes: u64,
    pub asymmetric: bool,
    pub forward_ns: u64,
    pub service_read_ns: u64,
    pub service_write_ns: u64,
    pub ccr: Option<Duration>,
    pub cqt: Duration,
    planted: Planted,
}

impl Settings {
    /// Whether this defect is planted: never, without the feature `mutants`.
    #[inline(always)]
    pub fn mutant(&self, mutant: Mutant) -> bool {
        self.planted.has(mutant)
    }
}

/// The simulated array with its links.
pub struct Array {
    pub(crate) settings: Settings,
    pub(crate) now: u64,
    pub(crate) events: Events,
    /// Comes out of the next `step`.
    pub(crate) out: Vec<Out>,
    pub(crate) host_ports: Vec<Port>,
    pub(crate) array_ports: Vec<Port>,
    pub(crate) paths: Vec<Path>,
    /// Per host and path id: index into `paths`.
    path_index: Vec<Vec<u32>>,
    pub(crate) conns: Slab<Conn>,
    pub(crate) messages: Slab<Message>,
    pub(crate) sequence: u64,
    /// Confirmations that are still to be sent.
    pub(crate) later: Slab<(Key, Assoc)>,
    pub(crate) commands: Slab<InFlight>,
    pub(crate) in_flight: usize,
    pub(crate) controllers: Vec<Controller>,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) data: DataStore,
    pub(crate) service: ServiceTimes,
    pub(crate) faults: Vec<Option<Active>>,
    pub(crate) faults_started: u64,
    #[cfg(feature = "mutants")]
    pub(crate) memory: crate::mutant::Memory,
}

impl Array {
    pub fn new(config: Config) -> Array {
        let hosts = config.paths.iter().map(|p| usize::from(p.host) + 1).max();
        let host_ports = config
            .paths
            .iter()
            .map(|p| usize::from(p.host_port) + 1)
            .max();
        let (hosts, host_ports) = (hosts.unwrap_or(0), host_ports.unwrap_or(0));
        let per_controller = usize::from(config.ports).max(1);
        let controllers = usize::from(config.controllers).max(1);
        let port = || Port::new(config.port_bits_per_s);
        let settings = Settings {
            seed: config.seed,
            block_bytes: u64::from(config.block_bytes),
            asymmetric: config.asymmetric,
            forward_ns: config.forward.0,
            service_read_ns: config.service_read.0,
            service_write_ns: config.service_write.0,
            ccr: config.ccr,
            cqt: config.cqt,
            #[cfg(feature = "mutants")]
            planted: config.planted,
            #[cfg(not(feature = "mutants"))]
            planted: Planted::default(),
        };
        let cache = match settings.mutant(Mutant::LosesMirror) {
            true => Cache::Volatile,
            false => config.cache,
        };
        let mut array = Array {
            settings,
            now: 0,
            events: Events::new(),
            out: Vec::new(),
            host_ports: (0..hosts * host_ports).map(|_| port()).collect(),
            array_ports: (0..controllers * per_controller).map(|_| port()).collect(),
            paths: Vec::with_capacity(config.paths.len()),
            path_index: vec![Vec::new(); hosts],
            conns: Slab::new(),
            messages: Slab::new(),
            sequence: 0,
            later: Slab::new(),
            commands: Slab::new(),
            in_flight: 0,
            controllers: (0..controllers)
                .map(|_| Controller::new(config.parallel))
                .collect(),
            volumes: config
                .volumes
                .iter()
                .map(|v| Volume::new(v, config.block_bytes, cache))
                .collect(),
            data: DataStore::default(),
            service: ServiceTimes::new(config.seed, config.tail),
            faults: Vec::new(),
            faults_started: 0,
            #[cfg(feature = "mutants")]
            memory: Default::default(),
        };
        for path in &config.paths {
            let controller = usize::from(path.controller).min(controllers - 1);
            let array_port =
                controller * per_controller + usize::from(path.port).min(per_controller - 1);
            let host_port = usize::from(path.host) * host_ports + usize::from(path.host_port);
            array.host_ports[host_port].paths += 1;
            array.array_ports[array_port].paths += 1;
            let index = array.paths.len() as u32;
            let of_host = &mut array.path_index[usize::from(path.host)];
            if of_host.len() <= usize::from(path.path.0) {
                of_host.resize(usize::from(path.path.0) + 1, NONE);
            }
            of_host[usize::from(path.path.0)] = index;
            array.controllers[controller].paths.push(index);
            let mut path = Path::new(path, host_port as u32, array_port as u32);
            path.controller = controller as u16;
            array.paths.push(path);
        }
        array
    }

    pub(crate) fn find_path(&self, host: u16, path: protocol::PathId) -> Option<u32> {
        let index = *self
            .path_index
            .get(usize::from(host))?
            .get(usize::from(path.0))?;
        (index != NONE).then_some(index)
    }

    /// The connection of an association, if it is not forgotten.
    #[inline]
    pub(crate) fn find(&self, assoc: Assoc) -> Option<u32> {
        let path = &self.paths[self.find_path(assoc.host, assoc.path)? as usize];
        let newest = path.newest.get(usize::from(assoc.shard)).copied();
        if let Some(conn) = newest
            && conn != NONE
            && self.conns.at(conn).assoc == assoc
        {
            return Some(conn);
        }
        path.conns
            .iter()
            .copied()
            .find(|&c| self.conns.at(c).assoc == assoc)
    }

    #[inline]
    pub(crate) fn set_now(&mut self, now: Instant) {
        debug_assert!(now.0 >= self.now, "time runs forwards");
        self.now = self.now.max(now.0);
    }

    /// A host begins to make a connection: `Connected` (after `Identity` and `Access` of each volume) or `Refused` comes back.
    pub fn connect(&mut self, now: Instant, assoc: Assoc) {
        self.set_now(now);
        let Some(path) = self.find_path(assoc.host, assoc.path) else {
            self.out.push(Out::Refused { assoc });
            return;
        };
        if self.find(assoc).is_none() {
            self.begin_connection(path, assoc);
        }
    }

    /// The host closes its end. Nothing of this association is delivered to the host from here on.
    pub fn close(&mut self, now: Instant, assoc: Assoc) {
        self.set_now(now);
        // A break of this very moment, which the driver has not fetched yet, is no news any more.
        self.out.retain(|out| {
            !matches!(out, Out::Broken { assoc: a } | Out::Refused { assoc: a } if *a == assoc)
        });
        if let Some(conn) = self.find(assoc) {
            self.close_host_end(conn);
        }
    }

    /// The host sends a command. `tag` comes back in the answer. Without a standing connection it never leaves the host.
    pub fn send(&mut self, now: Instant, assoc: Assoc, tag: u64, command: Command) {
        self.set_now(now);
        let Some(index) = self.find(assoc) else {
            return;
        };
        let conn = self.conns.at_mut(index);
        if !conn.connected || !conn.host_open {
            return;
        }
        conn.refs += 1;
        let arrived_at = self.paths[conn.path as usize].controller;
        let mut bytes = CAPSULE_BYTES;
        if command.op.sends_data() {
            bytes += u64::from(command.blocks) * self.settings.block_bytes;
        }
        let key = self.commands.insert(InFlight {
            conn: index,
            tag,
            command,
            real: command.volume,
            place: Place::Wire,
            beyond_fence: false,
            reports_loss: false,
            arrived_at,
            served_by: arrived_at,
            server: NONE,
            service_ns: 0,
            ends_at: u64::MAX,
            held_until: None,
            injected: None,
        });
        self.in_flight += usize::from(!command.probe);
        self.post(index, TO_ARRAY, bytes, Body::Command(key));
    }

    /// Cross-controller reset of `target`, sent over `via`.
    pub fn fence(&mut self, now: Instant, via: Assoc, target: Assoc) {
        self.admin(now, via, CAPSULE_BYTES, Body::Fence { target });
    }

    /// Asks for identity and access state of every volume on this path.
    pub fn refresh(&mut self, now: Instant, assoc: Assoc) {
        self.admin(now, assoc, ADMIN_BYTES, Body::Refresh);
    }

    /// Host registration over a new path.
    pub fn register(&mut self, now: Instant, assoc: Assoc) {
        self.admin(now, assoc, ADMIN_BYTES, Body::Register);
    }

    fn admin(&mut self, now: Instant, assoc: Assoc, bytes: u64, body: Body) {
        self.set_now(now);
        if let Some(conn) = self.find(assoc)
            && self.conns.at(conn).connected
            && self.conns.at(conn).host_open
        {
            self.post(conn, TO_ARRAY, bytes, body);
        }
    }

    pub fn start_fault(&mut self, now: Instant, id: FaultId, fault: Fault) {
        self.set_now(now);
        self.fault_ends(id);
        self.fault_starts(id, fault);
    }

    /// Ends a fault; one that is not active is left alone.
    pub fn end_fault(&mut self, now: Instant, id: FaultId) {
        self.set_now(now);
        self.fault_ends(id);
    }

    /// When `step` has something to do.
    #[inline]
    pub fn next_event(&self) -> Option<Instant> {
        if self.out.is_empty() {
            self.events.next_at().map(Instant)
        } else {
            Some(Instant(self.now))
        }
    }

    /// Carries out the earliest event; what comes of it is appended to `out`.
    pub fn step(&mut self, out: &mut Vec<Out>) {
        if !self.out.is_empty() {
            out.append(&mut self.out);
            return;
        }
        let Some(event) = self.events.first().copied() else {
            return;
        };
        self.now = event.at;
        if event.kind() == Kind::PortArrive {
            match self.through_port(event.key) {
                Some(through) => self.events.replace_first(through, Kind::Deliver, event.key),
                None => drop(self.events.pop()),
            }
            return;
        }
        self.events.pop();
        std::mem::swap(&mut self.out, out);
        let key = event.key;
        match event.kind() {
            Kind::Deliver => self.deliver(key),
            Kind::PortArrive => {}
            Kind::LimiterEnter => self.enter_limiter(key),
            Kind::LimiterDone => self.leave_limiter(key),
            Kind::ServiceEnd => self.end_service(key),
            Kind::Forwarded => self.forwarded(key),
            Kind::HeldDue => self.held_due(key),
            Kind::SendLater => self.send_later(key),
            Kind::KeepAlive => self.keep_alive_expired(key),
            Kind::Retransmit => self.retransmit(key),
            Kind::Quiesced => self.quiesced(key),
            Kind::Takeover => self.takeover(key),
        }
        std::mem::swap(&mut self.out, out);
    }

    /// The stamps that a read returned, one for each block, until `release`.
    pub fn data(&self, id: DataId) -> &[Stamp] {
        self.data.get(id)
    }

    pub fn release(&mut self, id: DataId) {
        self.data.release(id);
    }

    /// I/O commands (probes not counted) that may still execute: on the wire, queued, running or held.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Buffers of read data that nobody has released: those of `Out::Answer` and those on their way.
    pub fn data_taken(&self) -> usize {
        self.data.taken()
    }

    /// Associations of which an end is still open at the array.
    pub fn associations(&self) -> usize {
        let open = |c: &Conn| c.array == ArrayEnd::Open;
        self.conns.iter().filter(|(_, c)| open(c)).count()
    }

    /// Memory that the volumes' contents take.
    pub fn content_bytes(&self) -> usize {
        self.volumes.iter().map(Volume::bytes_used).sum()
    }

    pub(crate) fn schedule(&mut self, at: u64, kind: Kind, key: Key) {
        self.events.push(at, kind, key);
    }
}
