//! Which keys to look at next: no key twice, none twice at a time, changes before bulk work, delays apart.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use futures::StreamExt;
use tokio_util::time::{DelayQueue, delay_queue};

/// How soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// One of very many, as in a rotation.
    Bulk,
    /// Something just happened to it: a new namespace must not wait behind ten thousand rotations.
    Change,
}

/// Keys for which there is always room.
const ROOM: usize = 64;

/// The keys that wait, those that are being worked on, and those that rest.
///
/// A key that is pushed while it is being worked on is worked on once more afterwards.
#[derive(Debug)]
pub struct Queue<K> {
    changes: VecDeque<K>,
    bulk: VecDeque<K>,
    waiting: HashMap<K, Urgency>,
    busy: HashSet<K>,
    again: HashMap<K, Urgency>,
    resting: DelayQueue<K>,
    alarms: HashMap<K, delay_queue::Key>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            changes: VecDeque::new(),
            bulk: VecDeque::new(),
            waiting: HashMap::new(),
            busy: HashSet::new(),
            again: HashMap::new(),
            resting: DelayQueue::new(),
            alarms: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// Look at it, as soon as its turn comes.
    pub fn push(&mut self, key: K, urgency: Urgency) {
        if let Some(alarm) = self.alarms.remove(&key) {
            self.resting.remove(&alarm);
        }
        let known = if self.busy.contains(&key) { &mut self.again } else { &mut self.waiting };
        let before = known.get(&key).copied();
        if before >= Some(urgency) {
            return;
        }
        known.insert(key.clone(), urgency);
        if !self.busy.contains(&key) {
            // A key that moves up stays in the lower queue as well; `pop` passes over that leftover.
            self.queue(urgency).push_back(key);
        }
    }

    /// Look at it after a while, unless it is pushed before.
    pub fn push_later(&mut self, key: K, delay: Duration) {
        if !self.waiting.contains_key(&key) && !self.again.contains_key(&key) && !self.alarms.contains_key(&key) {
            let alarm = self.resting.insert(key.clone(), delay);
            self.alarms.insert(key, alarm);
        }
    }

    /// The next key; it counts as being worked on until [`Queue::done`].
    pub fn pop(&mut self) -> Option<K> {
        loop {
            let (key, urgency) = match self.changes.pop_front() {
                Some(key) => (key, Urgency::Change),
                None => (self.bulk.pop_front()?, Urgency::Bulk),
            };
            if self.waiting.get(&key) == Some(&urgency) {
                self.waiting.remove(&key);
                self.busy.insert(key.clone());
                return Some(key);
            }
        }
    }

    /// The work on this key has ended.
    pub fn done(&mut self, key: &K) {
        self.busy.remove(key);
        if let Some(urgency) = self.again.remove(key) {
            self.push(key.clone(), urgency);
        }
        if self.is_idle() {
            self.give_back();
        }
    }

    /// The room that ten thousand keys have taken is not needed between two rotations.
    fn give_back(&mut self) {
        self.changes.shrink_to(ROOM);
        self.bulk.shrink_to(ROOM);
        self.waiting.shrink_to(ROOM);
    }

    /// Moves the next rested key to those that wait. Pending for ever while none rests; safe to cancel.
    pub async fn wake(&mut self) {
        match self.resting.next().await {
            Some(expired) => {
                let key = expired.into_inner();
                self.alarms.remove(&key);
                self.push(key, Urgency::Bulk);
            }
            None => std::future::pending().await,
        }
    }

    /// Whether it is being worked on.
    pub fn is_busy(&self, key: &K) -> bool {
        self.busy.contains(key)
    }

    /// Whether nothing waits and nothing is being worked on. Resting keys do not count.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.busy.is_empty()
    }

    /// How many wait or are being worked on.
    pub fn load(&self) -> usize {
        self.waiting.len() + self.busy.len()
    }

    fn queue(&mut self, urgency: Urgency) -> &mut VecDeque<K> {
        match urgency {
            Urgency::Bulk => &mut self.bulk,
            Urgency::Change => &mut self.changes,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn changes_overtake_bulk_work_and_nothing_comes_twice() {
        let mut queue = Queue::default();
        for key in 0..5 {
            queue.push(key, Urgency::Bulk);
        }
        queue.push(3, Urgency::Change);
        queue.push(3, Urgency::Bulk);
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [3, 0, 1, 2, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_pushed_during_its_work_is_worked_on_once_more_afterwards() {
        let mut queue = Queue::default();
        queue.push("a", Urgency::Bulk);
        assert_eq!(queue.pop(), Some("a"));
        queue.push("a", Urgency::Change);
        queue.push("a", Urgency::Change);
        assert_eq!(queue.pop(), None);
        queue.done(&"a");
        assert_eq!(queue.pop(), Some("a"));
        queue.done(&"a");
        assert!(queue.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn a_resting_key_comes_when_its_time_has_come_or_when_it_is_pushed() {
        let mut queue = Queue::default();
        queue.push_later("late", Duration::from_secs(60));
        queue.push_later("pushed", Duration::from_secs(3600));
        queue.push("pushed", Urgency::Change);
        assert_eq!(queue.pop(), Some("pushed"));
        queue.wake().await;
        assert_eq!(queue.pop(), Some("late"));
        let none_left = tokio::time::timeout(Duration::from_secs(7200), queue.wake()).await;
        assert!(none_left.is_err());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8, bool),
        Pop,
        Done(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..6_u8, any::<bool>()).prop_map(|(key, change)| Step::Push(key, change)),
            Just(Step::Pop),
            (0..6_u8).prop_map(Step::Done),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn whatever_is_pushed_is_worked_on_afterwards_and_never_twice_at_a_time(steps in steps()) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            let _guard = runtime.enter();
            let mut queue = Queue::default();
            let mut owed = HashSet::new();
            let mut busy = HashSet::new();
            let take = |queue: &mut Queue<u8>, owed: &mut HashSet<u8>, busy: &mut HashSet<u8>| {
                let key = queue.pop()?;
                assert!(busy.insert(key), "{key} is worked on twice at a time");
                owed.remove(&key);
                Some(key)
            };
            for step in steps {
                match step {
                    Step::Push(key, change) => {
                        queue.push(key, if change { Urgency::Change } else { Urgency::Bulk });
                        owed.insert(key);
                    }
                    Step::Pop => {
                        take(&mut queue, &mut owed, &mut busy);
                    }
                    Step::Done(key) if busy.remove(&key) => queue.done(&key),
                    Step::Done(_) => {}
                }
            }
            for key in busy.drain() {
                queue.done(&key);
            }
            while let Some(key) = take(&mut queue, &mut owed, &mut busy) {
                queue.done(&key);
                busy.remove(&key);
            }
            prop_assert!(owed.is_empty(), "never worked on: {owed:?}");
            prop_assert!(queue.is_idle());
        }
    }
}
