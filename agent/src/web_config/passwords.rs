//! Passwords: one bcrypt at a time, and a memory of those that were right.
//!
//! A flood of wrong ones takes a quarter of one core at most, and keeps out nobody whose password was right before.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use bcrypt::HashParts;
use tokio::sync::{Semaphore, oneshot};

use crate::redact::secret::Secret;

/// Each step doubles the work. The highest takes some seconds on a small node.
pub const COSTS: RangeInclusive<u32> = 4..=16;
/// Right passwords that are remembered: a scraper or two, and some people.
const REMEMBERED: usize = 64;
/// Who waits for a turn. More are sent away, or all connections would wait for it.
const WAITING: usize = 8;
/// After a wrong password nobody has a turn for so many times the work that it took.
const REST: u32 = 3;
const LONGEST_REST: Duration = Duration::from_secs(10);

/// What is to be said of a name and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Right,
    Wrong,
    /// Too many wait already.
    Busy,
}

/// The cost of a bcrypt hash. `None`: it is none, or not one that is taken.
pub fn cost(hash: &str) -> Option<u32> {
    let cost = hash.parse::<HashParts>().ok()?.get_cost();
    COSTS.contains(&cost).then_some(cost)
}

type Tag = [u8; 32];

/// What outlives the file's changes. What it remembers counts for one hash: with another hash it is another password.
#[derive(Debug)]
pub struct Passwords {
    /// Without it, what is remembered says nothing about passwords.
    key: hmac::Key,
    right: Mutex<VecDeque<Tag>>,
    turn: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Passwords {
    /// `Err`: the system has no random bytes.
    pub fn new() -> Result<Self, String> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| "the system gives no random bytes".to_owned())?;
        Ok(Self { key, right: Mutex::default(), turn: Arc::new(Semaphore::new(1)), waiting: Semaphore::new(WAITING) })
    }

    pub async fn check(&self, users: &BTreeMap<String, Secret>, name: &str, password: &Secret) -> Answer {
        let known = users.get(name);
        // Who is no user costs as much as who is.
        let Some(hash) = known.or_else(|| users.values().max_by_key(|hash| cost(hash.expose()))) else {
            return Answer::Wrong;
        };
        let tag = self.tag(name, hash, password);
        if known.is_some() && self.remembers(&tag) {
            return Answer::Right;
        }
        let Ok(_waiting) = self.waiting.try_acquire() else { return Answer::Busy };
        let fits = self.compare(hash.clone(), password.clone()).await;
        if fits && known.is_some() {
            self.remember(tag);
            return Answer::Right;
        }
        Answer::Wrong
    }

    /// On a thread of its own, one after another. Whoever asks may go away meanwhile: the turn is over when the work is.
    async fn compare(&self, hash: Secret, password: Secret) -> bool {
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return false };
        let (answer, told) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let fits = bcrypt::verify(password.expose(), hash.expose()).unwrap_or(false);
            let took = began.elapsed();
            let _ = answer.send(fits);
            if !fits {
                std::thread::sleep((took * REST).min(LONGEST_REST));
            }
            drop(turn);
        });
        told.await.unwrap_or(false)
    }

    fn tag(&self, name: &str, hash: &Secret, password: &Secret) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [name, hash.expose(), password.expose()] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut tag = Tag::default();
        tag.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        tag
    }

    fn remembers(&self, tag: &Tag) -> bool {
        self.right.lock().unwrap_or_else(PoisonError::into_inner).contains(tag)
    }

    fn remember(&self, tag: Tag) {
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= REMEMBERED {
            right.pop_front();
        }
        right.push_back(tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cheapest that there is: unoptimised bcrypt is slow.
    fn hash(password: &str, cost: u32) -> Secret {
        Secret::new(bcrypt::hash_with_salt(password, cost, [7; 16]).unwrap().to_string())
    }

    fn users(entries: &[(&str, Secret)]) -> BTreeMap<String, Secret> {
        entries.iter().map(|(name, hash)| ((*name).to_owned(), hash.clone())).collect()
    }

    #[tokio::test]
    async fn who_has_the_password_is_let_in_and_nobody_else() {
        let passwords = Passwords::new().unwrap();
        let (alice, bob) = (hash("wonderland", 4), hash("builder", 4));
        let users = users(&[("alice", alice), ("bob", bob)]);
        let check = |name: &'static str, password: &'static str| {
            let (passwords, users) = (&passwords, &users);
            async move { passwords.check(users, name, &Secret::new(password)).await }
        };
        for _ in 0..2 {
            assert_eq!(check("alice", "wonderland").await, Answer::Right);
            assert_eq!(check("bob", "builder").await, Answer::Right);
            for (name, password) in
                [("alice", "builder"), ("alice", ""), ("eve", "wonderland"), ("", ""), ("Alice", "wonderland")]
            {
                assert_eq!(check(name, password).await, Answer::Wrong, "{name} {password}");
            }
        }
        assert_eq!(passwords.right.lock().unwrap().len(), 2, "only right ones are remembered");
        let none = BTreeMap::new();
        assert_eq!(passwords.check(&none, "alice", &Secret::new("wonderland")).await, Answer::Wrong);
    }

    #[tokio::test]
    async fn a_password_that_was_changed_is_no_longer_the_right_one() {
        let passwords = Passwords::new().unwrap();
        let (old, new) = (users(&[("alice", hash("old", 4))]), users(&[("alice", hash("new", 4))]));
        assert_eq!(passwords.check(&old, "alice", &Secret::new("old")).await, Answer::Right);
        assert_eq!(passwords.check(&new, "alice", &Secret::new("old")).await, Answer::Wrong);
        assert_eq!(passwords.check(&new, "alice", &Secret::new("new")).await, Answer::Right);
    }

    #[tokio::test]
    async fn a_flood_of_wrong_passwords_keeps_nobody_out_who_was_in_before() {
        let passwords = Passwords::new().unwrap();
        let users = users(&[("alice", hash("wonderland", 8))]);
        assert_eq!(passwords.check(&users, "alice", &Secret::new("wonderland")).await, Answer::Right);
        let wrong: Vec<Secret> = (0..WAITING + 5).map(|count| Secret::new(format!("guess {count}"))).collect();
        let guesses = futures::future::join_all(wrong.iter().map(|guess| passwords.check(&users, "alice", guess)));
        let mut guesses = std::pin::pin!(guesses);
        assert!(futures::poll!(guesses.as_mut()).is_pending());
        // Without a wait.
        let right = Secret::new("wonderland");
        let known = passwords.check(&users, "alice", &right);
        assert_eq!(futures::FutureExt::now_or_never(known), Some(Answer::Right));
        let answers = guesses.await;
        assert_eq!(answers.iter().filter(|answer| **answer == Answer::Busy).count(), 5, "{answers:?}");
        assert!(!answers.contains(&Answer::Right), "{answers:?}");
    }

    #[tokio::test]
    async fn the_memory_of_right_passwords_is_bounded() {
        let passwords = Passwords::new().unwrap();
        (0..3 * REMEMBERED).for_each(|count| {
            let tag = passwords.tag(&count.to_string(), &Secret::new("h"), &Secret::new("p"));
            passwords.remember(tag);
        });
        assert_eq!(passwords.right.lock().unwrap().len(), REMEMBERED);
    }

    #[test]
    fn hashes_that_nobody_would_wait_for_are_none() {
        let of_cost = |cost: &str| format!("$2y${cost}$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde");
        assert_eq!(cost(&of_cost("10")), Some(10));
        for wrong in [of_cost("31"), of_cost("17"), of_cost("03"), of_cost("1x"), "wonderland".into(), String::new()] {
            assert_eq!(cost(&wrong), None, "{wrong}");
        }
    }
}
