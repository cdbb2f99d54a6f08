//! When nothing should be sent, since an attempt has failed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Waits that we think right end when there is no time left for them. Those that the server asked
/// for do not.
#[derive(Debug)]
pub(super) struct Rest {
    until: Mutex<Until>,
    hurried: watch::Sender<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Until {
    own: Instant,
    asked: Instant,
}

impl Default for Rest {
    /// None.
    fn default() -> Self {
        let now = Instant::now();
        let until = Until {
            own: now,
            asked: now,
        };
        Self {
            until: Mutex::new(until),
            hurried: watch::Sender::new(false),
        }
    }
}

impl Rest {
    /// Nothing should be sent for so long.
    pub(super) fn begin(&self, own: Duration, asked: Option<Duration>) {
        self.ask(asked);
        let mut until = self.until();
        until.own = until.own.max(after(own));
    }

    /// The server does not want anything for so long.
    pub(super) fn ask(&self, asked: Option<Duration>) {
        let mut until = self.until();
        until.asked = until.asked.max(after(asked.unwrap_or_default()));
    }

    /// From now on only the server's word counts.
    pub(super) fn hurry(&self) {
        self.hurried.send_replace(true);
    }

    pub(super) fn is_hurried(&self) -> bool {
        *self.hurried.borrow()
    }

    /// Whether the server has named a time that has not come yet.
    pub(super) fn is_asked_for(&self) -> bool {
        self.until().asked > Instant::now()
    }

    pub(super) fn is_over(&self) -> bool {
        self.end() <= Instant::now()
    }

    /// Waits for the end of it.
    pub(super) async fn over(&self) {
        let mut hurried = self.hurried.subscribe();
        while !self.is_over() {
            tokio::select! {
                () = sleep_until(self.end()) => {}
                _ = hurried.changed() => {}
            }
        }
    }

    /// Waits for so long, and for what the server has asked for.
    pub(super) async fn pause(&self, own: Duration) {
        let mut hurried = self.hurried.subscribe();
        tokio::select! {
            () = sleep(own) => {}
            // The other end is here: this does not fail.
            _ = hurried.wait_for(|hurried| *hurried) => {}
        }
        while self.is_asked_for() {
            let asked = self.until().asked;
            sleep_until(asked).await;
        }
    }

    fn end(&self) -> Instant {
        let until = *self.until();
        match self.is_hurried() {
            true => until.asked,
            false => until.asked.max(until.own),
        }
    }

    fn until(&self) -> MutexGuard<'_, Until> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Servers may name any time; what is beyond the clock is never, which a hundred years are.
fn after(wait: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);
    Instant::now() + wait.min(NEVER)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn waits(rest: impl Future<Output = ()>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(rest).poll(&mut context).is_pending()
    }

    #[tokio::test]
    async fn there_is_none_before_it_begins() {
        let rest = Rest::default();
        assert!(rest.is_over() && !rest.is_asked_for());
        rest.over().await;
    }

    #[tokio::test]
    async fn waits_of_our_own_end_when_there_is_no_time_for_them() {
        let rest = Rest::default();
        rest.begin(LONG, None);
        assert!(!rest.is_over() && !rest.is_asked_for());
        assert!(waits(rest.over()) && waits(rest.pause(LONG)));
        let hurry = async { rest.hurry() };
        tokio::join!(rest.over(), rest.pause(LONG), hurry);
        assert!(rest.is_over() && rest.is_hurried());
    }

    #[tokio::test]
    async fn what_the_server_asked_for_does_not() {
        let rest = Rest::default();
        rest.begin(Duration::ZERO, Some(LONG));
        rest.hurry();
        assert!(rest.is_asked_for() && !rest.is_over());
        assert!(waits(rest.over()) && waits(rest.pause(Duration::ZERO)));
    }

    #[tokio::test]
    async fn the_longest_counts_and_none_is_too_long() {
        let rest = Rest::default();
        rest.begin(LONG, Some(Duration::MAX));
        rest.begin(Duration::ZERO, None);
        assert!(rest.is_asked_for() && waits(rest.over()));
    }
}
