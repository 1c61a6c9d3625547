//! Progress on standard error: a live line a step on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use super::Timeline;
use crate::exec::{Event, Outcome};
use crate::plan::StepId;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A live line for each running step.
    Live,
    /// A line for each thing that ended, and now and then for one that takes long.
    Plain,
}

impl Style {
    /// Live on a terminal, plain elsewhere.
    #[must_use]
    pub fn detect() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        if std::io::stderr().is_terminal() && !is_dumb { Self::Live } else { Self::Plain }
    }
}

/// A plain line about a step that is under way comes at most this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Shows every event until the stream ends, after `on_event` has seen it; gives back how long each step took.
pub async fn follow(mut events: UnboundedReceiver<Event>, style: Style, mut on_event: impl FnMut(&Event)) -> Timeline {
    let mut timeline = Timeline::default();
    let mut screen = Screen::new(style);
    while let Some(event) = events.recv().await {
        on_event(&event);
        timeline.record(&event);
        screen.show(&event);
    }
    timeline
}

struct Screen {
    style: Style,
    start: Instant,
    titles: BTreeMap<StepId, String>,
    bars: BTreeMap<StepId, ProgressBar>,
    told: BTreeMap<StepId, Instant>,
    multi: MultiProgress,
}

impl Screen {
    fn new(style: Style) -> Self {
        Self {
            style,
            start: Instant::now(),
            titles: BTreeMap::new(),
            bars: BTreeMap::new(),
            told: BTreeMap::new(),
            multi: MultiProgress::new(),
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Planned { steps } => self.titles = steps.iter().cloned().collect(),
            Event::Note { message } => self.line(&format!("        {message}")),
            Event::StepStarted { step, .. } => self.started(step),
            Event::StepProgress { step, message } => self.progress(step, message),
            Event::StepFinished { step, outcome, took, .. } => self.finished(step, outcome, *took),
        }
    }

    fn title(&self, step: &StepId) -> String {
        self.titles.get(step).cloned().unwrap_or_else(|| step.to_string())
    }

    fn started(&mut self, step: &StepId) {
        self.told.insert(step.clone(), Instant::now());
        if self.style == Style::Live {
            let bar = self.multi.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{elapsed:>6} {spinner} {prefix}  {wide_msg:.dim}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.set_prefix(self.title(step));
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bars.insert(step.clone(), bar);
        }
    }

    fn progress(&mut self, step: &StepId, message: &str) {
        if let Some(bar) = self.bars.get(step) {
            bar.set_message(message.to_owned());
            return;
        }
        let due = self.told.get(step).is_none_or(|at| at.elapsed() >= PLAIN_INTERVAL);
        if due {
            self.told.insert(step.clone(), Instant::now());
            let line = format!("{:>6.1}s  ..  {}: {message}", self.start.elapsed().as_secs_f64(), self.title(step));
            self.line(&line);
        }
    }

    fn finished(&mut self, step: &StepId, outcome: &Outcome, took: Duration) {
        if let Some(bar) = self.bars.remove(step) {
            bar.finish_and_clear();
        }
        let title = self.title(step);
        let mark = match outcome {
            Outcome::Done => "ok",
            // The table at the end counts them.
            Outcome::Unchanged => return,
            Outcome::Failed(_) => "FAILED",
            Outcome::Cancelled => "stopped",
        };
        let at = self.start.elapsed().as_secs_f64();
        self.line(&format!("{at:>6.1}s  {mark:<3} {title} ({:.1} s)", took.as_secs_f64()));
        // In full it comes at the end of the run, which what still runs may hold up for long.
        if let Outcome::Failed(reason) = outcome
            && let Some(reason) = reason.lines().next()
        {
            self.line(&format!("         {reason}"));
        }
    }

    fn line(&self, line: &str) {
        if self.style == Style::Live {
            let _ = self.multi.println(line);
        } else {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }
}
