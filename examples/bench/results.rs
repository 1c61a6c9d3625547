//! The results for people: medians and ranges as tables, and as a picture.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::measured::Cost;

/// One run of one contender.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// `lab` or `baseline`.
    pub who: String,
    /// How many clusters.
    pub clusters: usize,
    /// What was run.
    pub what: String,
    /// What it cost.
    pub cost: Cost,
}

impl Run {
    /// One run.
    pub fn of(who: &str, clusters: usize, what: &str, cost: Cost) -> Self {
        Self { who: who.to_owned(), clusters, what: what.to_owned(), cost }
    }
}

/// All that was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The machine, the versions and the day, a line each.
    pub about: Vec<String>,
    /// Every run, in the order in which they were made.
    pub runs: Vec<Run>,
    /// For each number of clusters, the phases of lab's median run from nothing: name, first second, last second.
    pub phases: Vec<(usize, Vec<(String, f64, f64)>)>,
    /// For each number of clusters, the steps that made that run as long as it was.
    pub paths: Vec<(usize, Vec<String>)>,
}

/// What runs of one kind have in common.
struct Group<'a> {
    who: &'a str,
    clusters: usize,
    what: &'a str,
    costs: Vec<&'a Cost>,
}

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

impl Results {
    /// A page of Markdown.
    pub fn markdown(&self) -> String {
        let mut page = String::from(
            "# How fast lab is\n\nWritten by `./dev bench`. Each figure is the median of the runs, with the least and the most; costs are those of the whole \
             machine, memory is the most that was in use more than before.\n\n",
        );
        for line in &self.about {
            let _ = writeln!(page, "- {line}");
        }
        page += "\n| clusters | what | runs | seconds | processor, s | written, GB | memory, GiB | slowest of median | of the baseline |\n|---|---|---|---|---|---|---|---|---|\n";
        for group in self.groups() {
            let wall = group.of(|c| c.wall);
            let baseline = self.groups().into_iter().find(|g| g.who == "baseline" && g.clusters == group.clusters);
            let ratio = baseline
                .filter(|_| group.who != "baseline")
                .map_or(String::new(), |b| format!("{:.2}", median(&wall) / median(&b.of(|c| c.wall))));
            let _ = writeln!(
                page,
                "| {} | {} {} | {} | {} | {} | {} | {} | {:.2} | {ratio} |",
                group.clusters,
                group.who,
                group.what,
                wall.len(),
                ranged(&wall),
                ranged(&group.of(|c| c.processor)),
                ranged(&group.of(|c| c.written / 1e9)),
                ranged(&group.of(|c| c.memory / GIB)),
                wall.last().copied().unwrap_or_default() / median(&wall).max(f64::MIN_POSITIVE),
            );
        }
        page += "\n![Seconds of each](results.svg)\n";
        for (clusters, phases) in &self.phases {
            let _ = writeln!(
                page,
                "\n## Phases of one run from nothing, {clusters} clusters\n\n| phase | from, s | to, s |\n|---|---|---|"
            );
            for (phase, from, to) in phases {
                let _ = writeln!(page, "| {phase} | {from:.1} | {to:.1} |");
            }
            if let Some((_, path)) = self.paths.iter().find(|(c, _)| c == clusters) {
                let _ = writeln!(page, "\nCritical path: {}.", path.join(", "));
            }
        }
        page
    }

    /// Seconds of each kind of run, a bar from nothing to the median and a line from the least to the most.
    pub fn svg(&self) -> String {
        const ROW: usize = 26;
        const LEFT: f64 = 230.0;
        const WIDTH: f64 = 520.0;
        let groups = self.groups();
        let most = groups.iter().flat_map(|g| g.of(|c| c.wall)).fold(1.0, f64::max);
        let x = |seconds: f64| LEFT + seconds / most * WIDTH;
        let height = groups.len() * ROW + 16;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 840 {height}\" font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n\
             <title>Seconds of each kind of run</title>\n<rect width=\"840\" height=\"{height}\" fill=\"#fff\"/>\n"
        );
        for (i, group) in groups.iter().enumerate() {
            let (wall, y) = (group.of(|c| c.wall), i * ROW + 8);
            let (least, middle, most) = (wall[0], median(&wall), wall[wall.len() - 1]);
            let fill = if group.who == "baseline" { "#9aa5b1" } else { "#2f6fb3" };
            let (text, line) = (y + 15, y + 10);
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{} clusters, {} {}</text>\
                 <rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"20\" fill=\"{fill}\"/>\
                 <path d=\"M{:.1} {line}H{:.1}\" stroke=\"#111\" stroke-width=\"2\"/><text x=\"{:.1}\" y=\"{text}\">{middle:.1} s</text>",
                LEFT - 8.0,
                group.clusters,
                group.who,
                group.what,
                x(middle) - LEFT,
                x(least),
                x(most),
                x(most) + 6.0,
            );
        }
        svg + "</svg>\n"
    }

    /// Runs of one kind together, in the order in which the kinds were first run.
    fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for run in &self.runs {
            match groups
                .iter_mut()
                .find(|g| (g.who, g.clusters, g.what) == (run.who.as_str(), run.clusters, run.what.as_str()))
            {
                Some(group) => group.costs.push(&run.cost),
                None => {
                    groups.push(Group {
                        who: &run.who,
                        clusters: run.clusters,
                        what: &run.what,
                        costs: vec![&run.cost],
                    });
                }
            }
        }
        groups
    }
}

impl Group<'_> {
    /// One figure of each run, the least first.
    fn of(&self, figure: impl Fn(&Cost) -> f64) -> Vec<f64> {
        let mut figures: Vec<f64> = self.costs.iter().map(|cost| figure(cost)).collect();
        figures.sort_by(f64::total_cmp);
        figures
    }
}

/// The middle of sorted figures.
fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

fn ranged(sorted: &[f64]) -> String {
    let digits = if median(sorted) < 10.0 { 2 } else { 1 };
    match sorted {
        [] => String::new(),
        [one] => format!("{one:.digits$}"),
        [least, .., most] => format!("{:.digits$} ({least:.digits$} to {most:.digits$})", median(sorted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(who: &'static str, wall: f64) -> Run {
        Run::of(who, 2, "up", Cost { wall, processor: 2.0 * wall, written: 5e8, memory: GIB })
    }

    #[test]
    fn medians_ranges_and_ratios_are_told() {
        let runs =
            vec![run("lab", 40.0), run("baseline", 80.0), run("lab", 44.0), run("baseline", 100.0), run("lab", 60.0)];
        let results = Results { about: vec!["two cores".to_owned()], runs, phases: vec![], paths: vec![] };
        let page = results.markdown();
        assert!(page.contains("| 2 | lab up | 3 | 44.0 (40.0 to 60.0) | 88.0 (80.0 to 120.0) | 0.50 (0.50 to 0.50) | 1.00 (1.00 to 1.00) | 1.36 | 0.49 |"), "{page}");
        assert!(page.contains("| 2 | baseline up | 2 | 90.0 (80.0 to 100.0)"), "{page}");
        assert_eq!(results.svg().matches("<rect x=").count(), 2);
    }
}
