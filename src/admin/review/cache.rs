//! What the API server has said in the last minute, about so many tokens at most.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Refusal;

/// How long an answer holds: so long a scraper asks without a review, and so long a right outlives its end.
pub(super) const HOLDS: Duration = Duration::from_secs(60);

/// Answers at once. Who sends ever new tokens pushes out the oldest.
const PLACES: usize = 256;

/// A digest of token and path: the token itself is not kept.
pub(super) type Key = [u8; 32];

type Answer = Result<(), Refusal>;

/// The answers, with the instants they were given at.
#[derive(Debug, Default)]
pub(super) struct Cache {
    answers: HashMap<Key, (Timestamp, Answer)>,
}

impl Cache {
    pub(super) fn get(&self, key: &Key, now: Timestamp) -> Option<Answer> {
        self.answers.get(key).filter(|(given_at, _)| holds(*given_at, now)).map(|(_, answer)| answer.clone())
    }

    pub(super) fn put(&mut self, key: Key, answer: Answer, now: Timestamp) {
        if self.answers.len() >= PLACES {
            self.answers.retain(|_, (given_at, _)| holds(*given_at, now));
        }
        if self.answers.len() >= PLACES
            && let Some(oldest) = self.answers.iter().min_by_key(|(_, (given_at, _))| *given_at).map(|(key, _)| *key)
        {
            self.answers.remove(&oldest);
        }
        self.answers.insert(key, (now, answer));
    }
}

/// A wall clock that was set back makes no answer hold longer.
fn holds(given_at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(given_at)).is_ok_and(|age| age < HOLDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn key(number: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    #[test]
    fn an_answer_holds_for_a_minute() {
        let mut cache = Cache::default();
        cache.put(key(1), Ok(()), NOON);
        assert_eq!(cache.get(&key(1), NOON + Duration::from_secs(59)), Some(Ok(())));
        assert_eq!(cache.get(&key(1), NOON + HOLDS), None);
        assert_eq!(cache.get(&key(1), NOON - Duration::from_secs(1)), None, "the clock was set back");
        assert_eq!(cache.get(&key(2), NOON), None);
    }

    #[test]
    fn ever_new_tokens_push_out_the_oldest_and_fill_nothing() {
        let mut cache = Cache::default();
        for number in 0..PLACES + 10 {
            cache.put(key(number), Err(Refusal::Unknown), NOON + Duration::from_millis(number as u64));
        }
        assert_eq!(cache.answers.len(), PLACES);
        assert_eq!(cache.get(&key(9), NOON + Duration::from_secs(1)), None);
        assert!(cache.get(&key(10), NOON + Duration::from_secs(1)).is_some());
    }
}
