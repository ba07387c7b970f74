//! Who may start and who must go for it: a budget of memory, a number of starts at once, and a fair line.
//! Pure: it is told what happens and answers what to do.
//!
//! The line has two halves: sessions in which a person waits for an answer, then all others. In each half
//! plugins take turns, so that one with a thousand servers does not keep one with a single server waiting; and
//! where several may start at once, one plugin never takes every turn, so that starts that hang hold up nobody else.

use std::collections::{HashMap, VecDeque};

use bailey_protocol::PluginId;
use tokio::time::Instant;

use crate::timings::RoomLimits;

/// Names a session that waits or runs.
pub(crate) type Number = u64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Room {
    limits: RoomLimits,
    last: Number,
    urgent: Line,
    others: Line,
    running: HashMap<Number, Running>,
    /// Sums over `running`, because they are asked for at every event.
    used: u64,
    leaving: u64,
    /// Whose turn it is.
    starting: Vec<(Number, PluginId)>,
}

#[derive(Debug)]
struct Running {
    bytes: u64,
    /// It has not started: what it takes is not measured yet.
    reserved: bool,
    idle_since: Option<Instant>,
    leaving: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// This one may start; it counts as running from now on.
    Start(Number),
    /// This one has nothing to do and must make room.
    Evict(Number),
    /// Nothing.
    Wait,
}

/// Why one may not stand in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// So many wait.
    Line(usize),
    /// So many of the same plugin wait: the rest of the line is for others.
    Share(usize),
}

/// What those in line wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// Memory is used up.
    Memory,
    /// Others are starting.
    Turn,
}

impl Room {
    pub(crate) fn new(limits: RoomLimits) -> Self {
        let (urgent, others, running) = Default::default();
        Self { limits, last: 0, urgent, others, running, used: 0, leaving: 0, starting: Vec::new() }
    }

    /// Puts a session in line, unless that is full. A plugin never takes more of it than half, less where others wait.
    pub(crate) fn enqueue(&mut self, plugin: &PluginId, urgent: bool) -> Result<Number, Full> {
        let most = self.limits.waiting;
        if self.urgent.len() + self.others.len() >= most {
            return Err(Full::Line(most));
        }
        let own = self.urgent.len_of(plugin) + self.others.len_of(plugin);
        let plugins = self.urgent.plugins.len() + self.others.plugins.len();
        let share = (most / (plugins.saturating_sub(usize::from(own > 0)) + 2)).max(1);
        if own >= share {
            return Err(Full::Share(own));
        }
        self.last += 1;
        let line = if urgent { &mut self.urgent } else { &mut self.others };
        line.push(plugin, self.last);
        Ok(self.last)
    }

    /// A person waits for this one now.
    pub(crate) fn promote(&mut self, number: Number) {
        if let Some(plugin) = self.others.remove(number) {
            self.urgent.push(&plugin, number);
        }
    }

    /// It does not wait or run any more.
    pub(crate) fn forget(&mut self, number: Number) {
        self.turn_over(number);
        match self.running.remove(&number) {
            Some(running) => self.count(&running, false),
            None => {
                if self.urgent.remove(number).is_none() {
                    self.others.remove(number);
                }
            }
        }
    }

    /// It has started.
    pub(crate) fn started(&mut self, number: Number) {
        self.turn_over(number);
        self.change(number, |running| running.reserved = false);
    }

    /// It has had its turn, whether it has started or not: others may start beside it.
    pub(crate) fn turn_over(&mut self, number: Number) {
        self.starting.retain(|(starting, _)| *starting != number);
    }

    /// What it takes, as measured. While it starts it may still grow, so its reservation stays.
    pub(crate) fn measured(&mut self, number: Number, bytes: u64) {
        self.change(number, |running| {
            if !running.reserved {
                running.bytes = bytes;
            }
        });
    }

    /// It has had nothing to do since then, or has something to do.
    pub(crate) fn idle(&mut self, number: Number, since: Option<Instant>) {
        self.change(number, |running| {
            running.idle_since = since;
            running.leaving &= since.is_some(); // it got work before it heard that it must go
        });
    }

    fn change(&mut self, number: Number, change: impl FnOnce(&mut Running)) {
        if let Some(mut running) = self.running.remove(&number) {
            self.count(&running, false);
            change(&mut running);
            self.count(&running, true);
            self.running.insert(number, running);
        }
    }

    /// Adds one to the sums, or takes it away.
    fn count(&mut self, running: &Running, add: bool) {
        let leaving = if running.leaving { running.bytes } else { 0 };
        if add {
            self.used = self.used.saturating_add(running.bytes);
            self.leaving = self.leaving.saturating_add(leaving);
        } else {
            self.used = self.used.saturating_sub(running.bytes);
            self.leaving = self.leaving.saturating_sub(leaving);
        }
    }

    /// What those in line wait for.
    pub(crate) fn waits_for(&self) -> WaitsFor {
        if self.fits(self.limits.reservation_bytes) { WaitsFor::Turn } else { WaitsFor::Memory }
    }

    /// What to do next; ask again until it is to wait.
    pub(crate) fn next(&mut self) -> Next {
        let waiting = self.starting.len() < self.turns()
            && (self.urgent.has_any(|plugin| self.may_take_turn(plugin))
                || self.others.has_any(|plugin| self.may_take_turn(plugin)));
        let wanted = if waiting { self.limits.reservation_bytes } else { 0 };
        let most = self.limits.memory_bytes.unwrap_or(u64::MAX);
        if self.fits(wanted) {
            return if waiting { self.start() } else { Next::Wait };
        }
        if (self.used - self.leaving).saturating_add(wanted) <= most {
            return Next::Wait; // enough are on their way out
        }
        if !waiting && self.running.len() == 1 {
            return Next::Wait; // it is larger than the whole budget: to start it anew for each event helps nobody
        }
        let idle = self.running.iter().filter(|(_, one)| !one.leaving && one.idle_since.is_some());
        let longest = idle.min_by_key(|(number, one)| (one.idle_since, **number)).map(|(number, _)| *number);
        match longest {
            Some(number) => {
                self.change(number, |running| running.leaving = true);
                Next::Evict(number)
            }
            None => Next::Wait,
        }
    }

    /// Whether there is memory for so much more. However little there is, one may run.
    fn fits(&self, wanted: u64) -> bool {
        let most = self.limits.memory_bytes.unwrap_or(u64::MAX);
        self.used.saturating_add(wanted) <= most || self.running.is_empty()
    }

    fn turns(&self) -> usize {
        self.limits.starts_at_once.max(1)
    }

    /// One turn is always left to other plugins, where there are several.
    fn may_take_turn(&self, plugin: &PluginId) -> bool {
        let own = self.starting.iter().filter(|(_, starting)| starting == plugin).count();
        own < self.turns().saturating_sub(1).max(1)
    }

    fn start(&mut self) -> Next {
        let mut urgent = std::mem::take(&mut self.urgent);
        let mut others = std::mem::take(&mut self.others);
        let may = |plugin: &PluginId| self.may_take_turn(plugin);
        let next = urgent.pop(may).or_else(|| others.pop(may));
        (self.urgent, self.others) = (urgent, others);
        let Some((number, plugin)) = next else { return Next::Wait };
        self.starting.push((number, plugin));
        let bytes = self.limits.reservation_bytes;
        let running = Running { bytes, reserved: true, idle_since: None, leaving: false };
        self.count(&running, true);
        self.running.insert(number, running);
        Next::Start(number)
    }
}

/// A line in which plugins take turns.
#[derive(Debug, Default)]
struct Line {
    plugins: VecDeque<(PluginId, VecDeque<Number>)>,
    len: usize,
}

impl Line {
    fn len(&self) -> usize {
        self.len
    }

    fn len_of(&self, plugin: &PluginId) -> usize {
        let own = self.plugins.iter().find(|(known, _)| known == plugin);
        own.map_or(0, |(_, numbers)| numbers.len())
    }

    fn push(&mut self, plugin: &PluginId, number: Number) {
        self.len += 1;
        match self.plugins.iter_mut().find(|(known, _)| known == plugin) {
            Some((_, numbers)) => numbers.push_back(number),
            None => self.plugins.push_back((plugin.clone(), VecDeque::from([number]))),
        }
    }

    fn has_any(&self, wanted: impl Fn(&PluginId) -> bool) -> bool {
        self.plugins.iter().any(|(plugin, _)| wanted(plugin))
    }

    /// The next one of a plugin that is wanted; that plugin goes to the end.
    fn pop(&mut self, wanted: impl Fn(&PluginId) -> bool) -> Option<(Number, PluginId)> {
        let at = self.plugins.iter().position(|(plugin, _)| wanted(plugin))?;
        let (plugin, mut numbers) = self.plugins.remove(at)?;
        let first = numbers.pop_front()?;
        self.len -= 1;
        if !numbers.is_empty() {
            self.plugins.push_back((plugin.clone(), numbers));
        }
        Some((first, plugin))
    }

    /// Takes one out, wherever it stands; answers whose it was.
    fn remove(&mut self, number: Number) -> Option<PluginId> {
        let at = self.plugins.iter().position(|(_, numbers)| numbers.contains(&number))?;
        self.len -= 1;
        let (plugin, numbers) = &mut self.plugins[at];
        numbers.retain(|other| *other != number);
        let plugin = plugin.clone();
        if numbers.is_empty() {
            self.plugins.remove(at);
        }
        Some(plugin)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn room(memory: u64, at_once: usize) -> Room {
        Room::new(RoomLimits {
            memory_bytes: Some(memory),
            reservation_bytes: 10,
            starts_at_once: at_once,
            waiting: 16,
            ..RoomLimits::default()
        })
    }

    fn plugin(name: &str) -> PluginId {
        format!("plugin_{name}").parse().unwrap()
    }

    /// Puts one in line and starts whoever is next.
    fn run(room: &mut Room, name: &str) -> Number {
        let number = room.enqueue(&plugin(name), false).unwrap();
        assert_eq!(room.next(), Next::Start(number));
        room.started(number);
        number
    }

    #[test]
    fn plugins_take_turns_and_people_go_first() {
        let mut room = room(1000, 1);
        let many: Vec<_> = (0..3).map(|_| room.enqueue(&plugin("many"), false).unwrap()).collect();
        let one = room.enqueue(&plugin("one"), false).unwrap();
        let person = room.enqueue(&plugin("many"), true).unwrap();
        let mut order = Vec::new();
        while let Next::Start(number) = room.next() {
            assert_eq!((room.next(), room.waits_for()), (Next::Wait, WaitsFor::Turn), "one at a time");
            room.started(number);
            order.push(number);
        }
        assert_eq!(order, [person, many[0], one, many[1], many[2]]);
    }

    #[test]
    fn the_line_is_bounded_and_one_plugin_does_not_fill_it() {
        let mut room = room(1000, 1);
        let enter = |room: &mut Room, name: &str| {
            (0..17).map_while(|_| room.enqueue(&plugin(name), false).ok()).count()
        };
        assert_eq!(enter(&mut room, "many"), 8);
        assert_eq!(room.enqueue(&plugin("many"), true), Err(Full::Share(8)));
        assert_eq!(enter(&mut room, "second"), 5);
        assert_eq!((enter(&mut room, "third"), enter(&mut room, "fourth")), (3, 0));
        assert_eq!(room.enqueue(&plugin("fourth"), true), Err(Full::Line(16)));
    }

    #[test]
    fn one_that_becomes_urgent_overtakes() {
        let mut room = room(1000, 1);
        let first = room.enqueue(&plugin("a"), false).unwrap();
        let second = room.enqueue(&plugin("b"), false).unwrap();
        room.promote(second);
        assert_eq!(room.next(), Next::Start(second));
        room.forget(second);
        room.forget(first);
        assert_eq!(room.next(), Next::Wait);
        assert_eq!(room.used, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_makes_room_and_nobody_who_works_does() {
        let now = Instant::now();
        let mut room = room(30, 9);
        let (a, b, c) = (run(&mut room, "a"), run(&mut room, "b"), run(&mut room, "c"));
        let d = room.enqueue(&plugin("d"), false).unwrap();
        assert_eq!((room.next(), room.waits_for()), (Next::Wait, WaitsFor::Memory), "all are at work");
        room.idle(b, Some(now));
        room.idle(a, Some(now + Duration::from_secs(1)));
        assert_eq!(room.next(), Next::Evict(b));
        assert_eq!(room.next(), Next::Wait, "one is enough");
        // It got work at the last moment: the other one goes.
        room.idle(b, None);
        assert_eq!(room.next(), Next::Evict(a));
        room.forget(a);
        assert_eq!(room.next(), Next::Start(d));
        // What grows beyond the budget is made room for as well.
        room.started(d);
        room.measured(c, 25);
        assert_eq!(room.next(), Next::Wait);
        room.idle(b, Some(now));
        assert_eq!(room.next(), Next::Evict(b));
    }

    #[test]
    fn starts_that_hang_hold_up_nobody_else() {
        let mut room = room(1000, 2);
        let bad: Vec<_> = (0..3).map(|_| room.enqueue(&plugin("bad"), false).unwrap()).collect();
        assert_eq!((room.next(), room.next()), (Next::Start(bad[0]), Next::Wait), "it took every turn");
        let good = room.enqueue(&plugin("good"), false).unwrap();
        assert_eq!(room.next(), Next::Start(good));
        room.started(good);
        room.turn_over(bad[0]);
        assert_eq!((room.next(), room.next()), (Next::Start(bad[1]), Next::Wait));
        assert_eq!(room.used, 30, "one that hangs keeps its reservation");
    }

    #[test]
    fn one_may_always_run() {
        let mut room = room(5, 2);
        run(&mut room, "a");
        room.enqueue(&plugin("b"), true).unwrap();
        assert_eq!(room.next(), Next::Wait);
    }

    #[tokio::test(start_paused = true)]
    async fn one_larger_than_the_budget_stays_until_somebody_needs_its_place() {
        let mut room = room(5, 2);
        let large = run(&mut room, "a");
        room.measured(large, 100);
        room.idle(large, Some(Instant::now()));
        assert_eq!(room.next(), Next::Wait, "it would be started anew for each event");
        room.enqueue(&plugin("b"), false).unwrap();
        assert_eq!(room.next(), Next::Evict(large));
    }
}
