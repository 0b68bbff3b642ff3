//! Counts what a call computes. Responsible for the runtime's ticking thread, which is the one place of the host that spawns
//! and watches real time by itself, and for the meter of one call. The rule: only time inside polls counts, so that a guest
//! that waits for a slow source is never stopped for it.

use crate::error::SandboxLimitExceeded;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use wasmtime::{Engine, UpdateDeadline};

/// The thread that moves the engine's epoch on; it ends when this is dropped.
pub struct Ticker {
    every: Duration,
    ticks: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub fn start(engine: &Engine, every: Duration) -> io::Result<Ticker> {
        // At zero the thread would spin.
        let every = every.max(Duration::from_millis(1));
        let ticks = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = Builder::new().name("connector-ticks".into()).spawn({
            let (engine, ticks, stop) = (engine.clone(), ticks.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Acquire) {
                    std::thread::park_timeout(every);
                    ticks.fetch_add(1, Ordering::Relaxed);
                    engine.increment_epoch();
                }
            }
        })?;
        Ok(Ticker {
            every,
            ticks,
            stop,
            thread: Some(thread),
        })
    }

    /// A meter for one call that may use `limit`.
    pub fn meter(&self, limit: Duration) -> Meter {
        let limit = limit.as_nanos().div_ceil(self.every.as_nanos());
        Meter(Arc::new(Counted {
            every: self.every,
            ticks: self.ticks.clone(),
            limit: u64::try_from(limit).unwrap_or(u64::MAX),
            spent: AtomicU64::new(0),
            entered_at: AtomicU64::new(0),
        }))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It runs nothing that could panic, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

/// Processor time of one call, in ticks.
#[derive(Clone)]
pub struct Meter(Arc<Counted>);

struct Counted {
    every: Duration,
    ticks: Arc<AtomicU64>,
    limit: u64,
    spent: AtomicU64,
    entered_at: AtomicU64,
}

impl Meter {
    /// A poll begins.
    pub fn enter(&self) {
        self.0.entered_at.store(self.now(), Ordering::Relaxed);
    }

    /// The poll is over; whether the call has used up its time.
    pub fn leave(&self) -> bool {
        let during = self.now() - self.0.entered_at.load(Ordering::Relaxed);
        let before = self.0.spent.fetch_add(during, Ordering::Relaxed);
        before + during > self.0.limit
    }

    /// What the epoch asks for in the middle of a poll: give way, or end.
    pub fn at_tick(&self) -> wasmtime::Result<UpdateDeadline> {
        let during = self.now() - self.0.entered_at.load(Ordering::Relaxed);
        if self.0.spent.load(Ordering::Relaxed) + during > self.0.limit {
            return Err(SandboxLimitExceeded::Cpu.into());
        }
        // tokio's way of giving way lets timers and sockets be served first; elsewhere it only wakes the task again.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    }

    /// All of the call so far.
    pub fn spent(&self) -> Duration {
        let ticks = u32::try_from(self.0.spent.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        self.0.every.saturating_mul(ticks)
    }

    fn now(&self) -> u64 {
        self.0.ticks.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn meter(limit: u64) -> (Meter, Arc<AtomicU64>) {
        let ticks = Arc::new(AtomicU64::new(7));
        let counted = Counted {
            every: Duration::from_millis(10),
            ticks: ticks.clone(),
            limit,
            spent: AtomicU64::new(0),
            entered_at: AtomicU64::new(0),
        };
        (Meter(Arc::new(counted)), ticks)
    }

    #[test]
    fn only_ticks_inside_polls_count() {
        let (meter, ticks) = meter(5);
        meter.enter();
        ticks.fetch_add(2, Ordering::Relaxed);
        assert!(!meter.leave());
        ticks.fetch_add(1_000, Ordering::Relaxed);
        meter.enter();
        ticks.fetch_add(3, Ordering::Relaxed);
        assert!(!meter.leave(), "5 of 5 ticks are allowed");
        assert_eq!(meter.spent(), Duration::from_millis(50));
    }

    #[test]
    fn a_tick_gives_way_until_the_limit_and_then_ends_the_call() {
        let (meter, ticks) = meter(1);
        meter.enter();
        ticks.fetch_add(1, Ordering::Relaxed);
        assert!(matches!(meter.at_tick(), Ok(UpdateDeadline::YieldCustom(1, _))));
        ticks.fetch_add(1, Ordering::Relaxed);
        let Err(refused) = meter.at_tick() else {
            panic!("2 ticks of 1")
        };
        assert!(matches!(refused.downcast_ref(), Some(SandboxLimitExceeded::Cpu)));
        assert!(meter.leave());
    }

    #[test]
    fn the_thread_ticks_and_ends_with_its_owner() {
        let engine = Engine::default();
        let ticker = Ticker::start(&engine, Duration::ZERO).unwrap();
        let ticks = ticker.ticks.clone();
        while ticks.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now();
        }
        drop(ticker);
        assert_eq!(Arc::strong_count(&ticks), 1, "the thread is gone and holds nothing");
    }
}
