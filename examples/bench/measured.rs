//! What a machine spends while something runs: time, processor, bytes written and memory.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Ticks of `/proc/stat` in a second: 100 on every kernel that Docker runs on.
const TICKS: f64 = 100.0;

/// How often the memory is looked at.
const PERIOD: Duration = Duration::from_millis(200);

/// What one run cost the whole machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Seconds.
    pub wall: f64,
    /// Seconds of all processors.
    pub processor: f64,
    /// Bytes written to disks.
    pub written: f64,
    /// The most bytes of memory that were in use more than before.
    pub memory: f64,
}

/// A run that is being measured.
pub struct Meter {
    started: Instant,
    processor: f64,
    written: f64,
    memory: u64,
    least: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    watcher: JoinHandle<()>,
}

impl Meter {
    /// Begins to measure.
    pub fn start() -> Self {
        let memory = available();
        let (least, ended) = (Arc::new(AtomicU64::new(memory)), Arc::new(AtomicBool::new(false)));
        let watcher = std::thread::spawn({
            let (least, ended) = (Arc::clone(&least), Arc::clone(&ended));
            move || {
                while !ended.load(Ordering::Relaxed) {
                    least.fetch_min(available(), Ordering::Relaxed);
                    std::thread::sleep(PERIOD);
                }
            }
        });
        Self { started: Instant::now(), processor: processor(), written: written(), memory, least, ended, watcher }
    }

    /// What the run cost.
    pub fn stop(self) -> Cost {
        let wall = self.started.elapsed().as_secs_f64();
        self.ended.store(true, Ordering::Relaxed);
        // The watcher cannot fail, and without it only the peak would be less exact.
        let _ = self.watcher.join();
        Cost {
            wall,
            processor: processor() - self.processor,
            written: written() - self.written,
            memory: self.memory.saturating_sub(self.least.load(Ordering::Relaxed)) as f64,
        }
    }
}

/// Seconds in which the processors were not idle.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> =
        stat.lines().next().unwrap_or_default().split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal guest guest_nice; what guests use is counted in user already.
    fields.iter().enumerate().filter(|(i, _)| !matches!(i, 3 | 4 | 8 | 9)).map(|(_, f)| f).sum::<f64>() / TICKS
}

/// Bytes that were written to disks; what is in memory only, a part of another or made of others does not count.
fn written() -> f64 {
    let whole = |name: &str| {
        !["loop", "ram", "dm-", "md", "zram"].iter().any(|prefix| name.starts_with(prefix))
            && fs::exists(format!("/sys/block/{name}")).unwrap_or(false)
    };
    let stats = fs::read_to_string("/proc/diskstats").unwrap_or_default();
    let sectors = stats.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        whole(fields.get(2)?).then(|| fields.get(9)?.parse::<f64>().ok())?
    });
    sectors.sum::<f64>() * 512.0
}

/// Bytes of memory that a program could still have.
fn available() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
}
