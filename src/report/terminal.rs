//! Progress on standard error: a live line a step on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use super::Timeline;
use super::under_way::UnderWay;
use crate::exec::Event;
use crate::plan::StepId;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A live line for each running step.
    Live,
    /// A line for each thing that ended, and every few seconds for what is under way.
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

/// How often a line on a terminal goes on by itself.
const LIVE: Duration = Duration::from_secs(1);

/// Shows every event until the stream ends, after `on_event` has seen it; gives back how long each step took.
pub async fn follow(mut events: UnboundedReceiver<Event>, style: Style, mut on_event: impl FnMut(&Event)) -> Timeline {
    let mut timeline = Timeline::default();
    let mut screen = Screen::new(style);
    loop {
        let due = screen.due();
        let event = tokio::select! {
            biased;
            event = events.recv() => event,
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => {
                screen.go_on();
                continue;
            }
        };
        let Some(event) = event else { return timeline };
        on_event(&event);
        timeline.record(&event);
        screen.show(&event);
    }
}

struct Screen {
    style: Style,
    start: Instant,
    under_way: UnderWay,
    bars: BTreeMap<StepId, ProgressBar>,
    multi: MultiProgress,
}

impl Screen {
    fn new(style: Style) -> Self {
        Self {
            style,
            start: Instant::now(),
            under_way: UnderWay::default(),
            bars: BTreeMap::new(),
            multi: MultiProgress::new(),
        }
    }

    fn show(&mut self, event: &Event) {
        let lines = self.under_way.see(event, self.start.elapsed());
        if self.style == Style::Live {
            match event {
                Event::StepStarted { step, .. } => self.started(step),
                // A line that stays tells it, not one more.
                Event::StepProgress { step, .. } | Event::StepCount { step, .. } => return self.refresh(step),
                Event::StepFinished { step, .. } => {
                    if let Some(bar) = self.bars.remove(step) {
                        bar.finish_and_clear();
                    }
                }
                Event::Planned { .. } | Event::Note { .. } => {}
            }
        }
        for line in lines {
            self.line(&line);
        }
    }

    /// After what time something is to be shown though nothing happened.
    fn due(&self) -> Option<Duration> {
        match self.style {
            Style::Live => self.under_way.counting().next().map(|_| LIVE),
            Style::Plain => Some(self.under_way.due()?.saturating_sub(self.start.elapsed())),
        }
    }

    fn go_on(&mut self) {
        match self.style {
            Style::Live => {
                for step in self.under_way.counting() {
                    self.refresh(step);
                }
            }
            Style::Plain => {
                if let Some(line) = self.under_way.overdue(self.start.elapsed()) {
                    self.line(&line);
                }
            }
        }
    }

    fn started(&mut self, step: &StepId) {
        let bar = self.multi.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{elapsed:>6} {spinner} {prefix}  {wide_msg:.dim}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_prefix(self.under_way.title(step));
        bar.enable_steady_tick(Duration::from_millis(120));
        self.bars.insert(step.clone(), bar);
    }

    fn refresh(&self, step: &StepId) {
        if let Some((bar, said)) = self.bars.get(step).zip(self.under_way.tell(step, self.start.elapsed())) {
            bar.set_message(said);
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
