use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn id(step: &str) -> StepId {
    StepId(step.to_owned())
}

fn started(step: &str) -> Event {
    Event::StepStarted { step: id(step), at: Duration::ZERO }
}

fn says(step: &str, message: &str) -> Event {
    Event::StepProgress { step: id(step), message: message.to_owned() }
}

fn ended(step: &str, outcome: Outcome) -> Event {
    Event::StepFinished { step: id(step), outcome, started: Duration::ZERO, took: s(7) }
}

fn counts(step: &str, running: &[(&str, u64)], left: Option<u64>) -> Event {
    let running = running.iter().map(|(what, age)| ((*what).to_owned(), s(*age))).collect();
    Event::StepCount { step: id(step), count: Count { done: 7, total: 19, running, left: left.map(s) } }
}

/// What is printed without a terminal until `end`, by somebody who wakes up when it is due and when something happens.
fn printed(events: &[(u64, Event)], end: u64) -> Vec<String> {
    let mut under_way = UnderWay::default();
    let steps = [("a", "c1: cluster"), ("images", "images")].map(|(step, title)| (id(step), title.to_owned()));
    under_way.see(&Event::Planned { steps: steps.into() }, s(0));
    let mut lines = Vec::new();
    let wait = |under_way: &mut UnderWay, lines: &mut Vec<String>, until: Duration| {
        while let Some(due) = under_way.due().filter(|due| *due < until) {
            lines.extend(under_way.overdue(due));
        }
    };
    for (at, event) in events {
        wait(&mut under_way, &mut lines, s(*at));
        lines.extend(under_way.see(event, s(*at)));
    }
    wait(&mut under_way, &mut lines, s(end));
    lines
}

#[test]
fn a_step_that_says_nothing_is_told_of_every_15_seconds() {
    let lines = printed(&[(1, started("a")), (40, ended("a", Outcome::Done))], 100);
    assert_eq!(
        lines,
        [
            "  16.0s  ..  c1: cluster since 15 s",
            "  31.0s  ..  c1: cluster since 30 s",
            "  40.0s  ok  c1: cluster (7.0 s)"
        ]
    );
}

#[test]
fn no_15_seconds_are_silent_whatever_is_said_in_between() {
    // What is said too soon after another line is held back, and told when it is due.
    let events = [(0, started("a")), (4, says("a", "waiting, x")), (9, says("a", "waiting, y")), (12, says("a", "z"))];
    let lines = printed(&events, 30);
    assert_eq!(lines, ["   9.0s  ..  c1: cluster: waiting, y", "  24.0s  ..  c1: cluster: z"]);
}

#[test]
fn nothing_is_told_when_nothing_is_under_way() {
    assert_eq!(printed(&[(0, started("a")), (1, ended("a", Outcome::Unchanged))], 100), [""; 0]);
    // And a step that begins later has its own 15 seconds.
    let events = [(0, started("a")), (1, ended("a", Outcome::Unchanged)), (40, started("images"))];
    assert_eq!(printed(&events, 56), ["  55.0s  ..  images since 15 s"]);
}

#[test]
fn a_step_of_many_jobs_tells_what_is_done_under_way_and_left() {
    let events = [(0, started("images")), (6, counts("images", &[("building kube-apiserver", 80)], Some(400)))];
    assert_eq!(
        printed(&events, 22),
        [
            "   6.0s  ..  images: 7 of 19 done, building kube-apiserver since 80 s, about 7 min left",
            // It goes on by itself.
            "  21.0s  ..  images: 7 of 19 done, building kube-apiserver since 95 s, about 7 min left",
        ]
    );
}

#[test]
fn what_is_said_beside_a_count_is_added_to_it_until_the_next() {
    let events = [
        (0, started("images")),
        (1, counts("images", &[], None)),
        (6, says("images", "waiting for another lab")),
        (12, counts("images", &[], None)),
    ];
    assert_eq!(
        printed(&events, 13),
        ["   6.0s  ..  images: 7 of 19 done; waiting for another lab", "  12.0s  ..  images: 7 of 19 done"]
    );
}

#[test]
fn of_many_only_some_are_named() {
    let running: Vec<(&str, u64)> = ["p", "q", "r", "s", "t"].map(|what| (what, 5)).into();
    let Event::StepCount { count, .. } = counts("images", &running, None) else { unreachable!() };
    assert_eq!(counted(&count, s(1)), "7 of 19 done, p since 6 s, q since 6 s, r since 6 s, 2 more");
}

#[test]
fn a_guess_is_as_exact_as_it_is_good() {
    let told = [3, 11, 80, 89, 90, 121, 600].map(|left| about(s(left)));
    let expected =
        ["a few seconds", "about 20 s", "about 80 s", "about 90 s", "about 2 min", "about 3 min", "about 10 min"];
    assert_eq!(told, expected.map(|words| format!("{words} left")));
}

#[test]
fn a_failure_is_told_with_its_first_line() {
    let failed = Outcome::Failed("it broke\nin many words".to_owned());
    let lines = printed(&[(0, started("a")), (7, ended("a", failed))], 8);
    assert_eq!(lines, ["   7.0s  FAILED c1: cluster (7.0 s)", "         it broke"]);
}
