//! Whoever does not have to be let in waits for a turn: health pages, metadata, refusals.
//!
//! Such answers cost little, and nobody's own limit counts them, so one client that asks for many
//! without a pause could take the whole worker. So all of them together get a share of it: so many
//! in a second, one after the other. Turns are taken in the order of arrival, and a connection
//! waits for one at a time, so a probe waits for one turn of each of the others at most. Nobody is
//! turned away: that would tell a probe that the worker is ill.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::{Clock, Moment};

/// So much of its time may be taken at once after a pause.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Lets so many pass in a second.
#[derive(Debug)]
pub(super) struct Turnstile {
    /// When the turns that were taken are used up. Who waits holds it, and others wait for that one
    /// in the order in which they came; whoever goes away meanwhile has taken nothing.
    used_up_at: Mutex<Moment>,
    turn: Duration,
    clock: Clock,
}

impl Turnstile {
    pub(super) fn new(per_second: u32, clock: Clock) -> Turnstile {
        let turn = Duration::from_secs(1) / per_second.max(1);
        Turnstile { used_up_at: Mutex::new(Moment::START), turn, clock }
    }

    /// Waits for a turn.
    pub(super) async fn pass(&self) {
        let mut used_up_at = self.used_up_at.lock().await;
        let now = self.clock.now();
        let wait = used_up_at.since(now).saturating_sub(AT_ONCE);
        if !wait.is_zero() {
            self.clock.until(now + wait).await;
        }
        *used_up_at = now.max(*used_up_at) + self.turn;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn so_many_pass_in_a_second_and_some_at_once() {
        let clock = Clock::start();
        let turnstile = Turnstile::new(1_000, clock);
        for _ in 0..400 {
            turnstile.pass().await;
        }
        let took = clock.now().since(Moment::START);
        // A hundred pass at once, the others one in a millisecond.
        assert!(took >= Duration::from_millis(290), "{took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }

    #[tokio::test]
    async fn turns_are_taken_in_the_order_of_arrival_and_who_left_has_taken_none() {
        let clock = Clock::start();
        let turnstile = Arc::new(Turnstile::new(20, clock));
        let waits = |count: usize| {
            let turnstile = Arc::clone(&turnstile);
            tokio::spawn(async move {
                for _ in 0..count {
                    turnstile.pass().await;
                }
            })
        };
        let greedy = waits(1_000);
        let leavers: Vec<_> = (0..200).map(|_| waits(1)).collect();
        tokio::task::yield_now().await;
        leavers.iter().for_each(tokio::task::JoinHandle::abort);
        turnstile.pass().await;
        // To wait behind all of them would take ten seconds, and behind the greedy one fifty.
        let waited = clock.now().since(Moment::START);
        assert!(waited < Duration::from_secs(5), "{waited:?}");
        assert!(!greedy.is_finished());
        greedy.abort();
    }
}
