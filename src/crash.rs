//! Named places where a test lets a daemon die, as a power cut would: what was committed stays, what was not is
//! gone. Compiled in under `debug_assertions` only; in a release build nothing of it is left.
//!
//! In-process a [`Trap`] ends everything that runs under it. A whole process dies where its environment says so:
//! `CRASH_AT=intent-committed`, or `intent-committed:3` for the third time it comes there.

/// Every place there is, in the order of a message's life.
pub const POINTS: [&str; 14] = [
    "wake-written",
    "wake-committed",
    "intent-written",
    "intent-committed",
    "before-send",
    "answered",
    "outcome-written",
    "outcome-committed",
    "lost-written",
    "lost-committed",
    "settle-written",
    "settle-committed",
    "callback-written",
    "callback-committed",
];

#[cfg(debug_assertions)]
pub use armed::{Trap, arm_process, inherit, point, unheard};

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[expect(clippy::unused_async, reason = "awaited where a debug build may end")]
pub async fn point(_name: &'static str) {}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub fn arm_process(_asked: Option<&str>) {}

/// The future itself, in a release build.
#[cfg(not(debug_assertions))]
pub fn inherit<F: Future<Output = ()>>(future: F) -> F {
    future
}

/// The future itself, in a release build.
#[cfg(not(debug_assertions))]
pub fn unheard<F: Future<Output = ()>>(future: F) -> F {
    future
}

#[cfg(debug_assertions)]
mod armed {
    use super::POINTS;
    use std::collections::BTreeMap;
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex, OnceLock, PoisonError};
    use tokio::sync::watch;

    tokio::task_local! {
        static UNDER: Trap;
    }

    /// Ends what runs under it at a named place. Disarmed it only counts which places were passed.
    #[derive(Clone, Debug)]
    pub struct Trap {
        armed: Arc<Mutex<Armed>>,
        fallen: watch::Sender<bool>,
        under_way: Arc<AtomicUsize>,
    }

    #[derive(Debug, Default)]
    struct Armed {
        at: Option<(&'static str, u32)>,
        passed: BTreeMap<&'static str, u32>,
    }

    impl Default for Trap {
        fn default() -> Self {
            Self {
                armed: Arc::default(),
                fallen: watch::Sender::new(false),
                under_way: Arc::default(),
            }
        }
    }

    impl Trap {
        /// Arms it: it falls at `point`, the `nth` time from now on, counted from 1.
        pub fn arm(&self, point: &'static str, nth: u32) {
            self.locked().at = Some((point, nth));
        }

        /// Disarms it.
        pub fn disarm(&self) {
            self.locked().at = None;
        }

        /// Whether it fell.
        pub fn has_fallen(&self) -> bool {
            *self.fallen.borrow()
        }

        /// Falls now, wherever what runs under it is.
        pub fn fall(&self) {
            self.fallen.send_replace(true);
        }

        /// How often each place was passed.
        pub fn passed(&self) -> BTreeMap<&'static str, u32> {
            self.locked().passed.clone()
        }

        /// Runs a future under it; `None` when the trap fell first. The future is dropped then.
        pub async fn run<F: Future>(&self, future: F) -> Option<F::Output> {
            let mut fallen = self.fallen.subscribe();
            let under = Box::pin(UNDER.scope(self.clone(), future));
            tokio::select! {
                biased;
                _ = fallen.wait_for(|fallen| *fallen) => None,
                output = under => Some(output),
            }
        }

        /// Requests under way that nobody will hear the answer of any more, once it fell.
        pub fn under_way(&self) -> usize {
            self.under_way.load(Ordering::SeqCst)
        }

        fn locked(&self) -> std::sync::MutexGuard<'_, Armed> {
            self.armed.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Whether nothing goes on from here: it fell, or falls now.
        fn stops(&self, name: &'static str) -> bool {
            if !self.has_fallen() {
                if !self.passes(name) {
                    return false;
                }
                self.fall();
            }
            if matches!(name, "before-send" | "answered") {
                self.under_way.fetch_sub(1, Ordering::SeqCst);
            }
            true
        }

        /// Whether it falls here.
        fn passes(&self, name: &'static str) -> bool {
            let mut armed = self.locked();
            *armed.passed.entry(name).or_default() += 1;
            match &mut armed.at {
                Some((at, nth)) if *at == name && *nth <= 1 => true,
                Some((at, nth)) if *at == name => {
                    *nth -= 1;
                    false
                }
                _ => false,
            }
        }
    }

    /// A future for a task of its own that ends under the trap of the task that made it.
    pub fn inherit<F: Future<Output = ()>>(future: F) -> impl Future<Output = ()> {
        let trap = UNDER.try_with(Clone::clone).ok();
        async move {
            match trap {
                Some(trap) => drop(trap.run(future).await),
                None => future.await,
            }
        }
    }

    /// A future for a task that talks to a provider: what is on the wire when the trap falls arrives all the same,
    /// and goes no further than the next place.
    pub fn unheard<F: Future<Output = ()>>(future: F) -> impl Future<Output = ()> {
        let trap = UNDER.try_with(Clone::clone).ok();
        async move {
            let Some(trap) = trap else { return future.await };
            trap.under_way.fetch_add(1, Ordering::SeqCst);
            UNDER.scope(trap.clone(), future).await;
            trap.under_way.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// A place where a test may let the daemon die.
    pub async fn point(name: &'static str) {
        debug_assert!(POINTS.contains(&name), "{name} is not in the list");
        if UNDER.try_with(|trap| trap.stops(name)).unwrap_or(false) {
            pending::<()>().await;
        }
        if PROCESS.get().is_some_and(|trap| trap.passes(name)) {
            std::process::abort();
        }
    }

    static PROCESS: OnceLock<Trap> = OnceLock::new();

    /// Arms the whole process, as its environment asks: it aborts there, without a destructor run or a buffer
    /// flushed.
    pub fn arm_process(asked: Option<&str>) {
        if let Some((name, nth)) = asked.and_then(parse) {
            PROCESS.get_or_init(Trap::default).arm(name, nth);
        }
    }

    fn parse(asked: &str) -> Option<(&'static str, u32)> {
        let (name, nth) = asked.split_once(':').unwrap_or((asked, "1"));
        let known = POINTS.into_iter().find(|point| *point == name)?;
        Some((known, nth.parse().ok()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_environment_names_a_place_and_a_time() {
            assert_eq!(parse("answered"), Some(("answered", 1)));
            assert_eq!(parse("answered:3"), Some(("answered", 3)));
            assert_eq!(parse("nowhere"), None);
            assert_eq!(parse("answered:often"), None);
        }

        #[tokio::test]
        async fn it_falls_at_its_place_and_takes_inherited_tasks_along() {
            let trap = Trap::default();
            trap.arm("answered", 2);
            let task = UNDER.sync_scope(trap.clone(), || inherit(pending()));
            assert_eq!(trap.run(point("answered")).await, Some(()));
            assert_eq!(trap.run(point("before-send")).await, Some(()));
            assert_eq!(trap.run(point("answered")).await, None);
            task.await;
            assert!(trap.has_fallen());
        }
    }
}
