//! The page of `lab report` in a real browser: it loads without errors, and is legible in a narrow and a wide window, in light and in dark colours, and
//! usable by keyboard.

mod browser;
mod e2e;

use std::path::Path;

use browser::Browser;
use e2e::lab_ok;
use serde_json::Value;

const LEGIBLE: &str = include_str!("browser/legible.js");
/// What can be reached by keyboard.
const STOPS: &str = "[...document.querySelectorAll('a[href], summary, [tabindex=\"0\"]')]";

fn sentences(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|s| s.as_str().expect("a sentence").to_owned()).collect()
}

/// What is wrong with the page for eyes, in every window and every colour.
fn for_eyes(browser: &mut Browser) -> Vec<String> {
    let mut wrong = Vec::new();
    for width in [400, 1400] {
        for scheme in ["light", "dark"] {
            browser.look(width, scheme);
            let found = sentences(&browser.evaluate(LEGIBLE));
            wrong.extend(found.into_iter().map(|s| format!("{width} {scheme}: {s}")));
        }
    }
    wrong
}

/// What is wrong with the page for who has no mouse: each stop is come to by Tab and is seen, and Enter opens what can be opened.
fn for_hands(browser: &mut Browser) -> Vec<String> {
    let stops = browser.evaluate(&format!("{STOPS}.length")).as_u64().expect("a number");
    let mut wrong = Vec::new();
    browser.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)");
    for stop in 0..stops {
        browser.press("Tab");
        let here = browser.evaluate(&format!("{STOPS}.indexOf(document.activeElement)"));
        if here != stop {
            wrong.push(format!("order: Tab {} comes to {here}", stop + 1));
        }
        if browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none" {
            wrong.push(format!("unseen: stop {stop} has no outline"));
        }
    }
    let opened = "document.querySelector('details').open";
    browser.evaluate("document.querySelector('summary').focus()");
    let before = browser.evaluate(opened);
    browser.press("Enter");
    if browser.evaluate(opened) == before {
        wrong.push("deaf: Enter does not open".to_owned());
    }
    wrong
}

/// The page, with something in it that it must not have.
fn spoilt(page: &str, file: &Path, what: &str) {
    std::fs::write(file, page.replacen("</head>", &format!("{what}</head>"), 1)).expect("a page");
}

#[test]
fn the_report_is_for_everybody() {
    let running = e2e::shared("two-network");
    let file = e2e::run_dir().join("report.html");
    lab_ok(&["report", running.name, "-o", &file.to_string_lossy()]);
    let page = std::fs::read_to_string(&file).expect("the page");
    let mut browser = Browser::start();
    browser.load(&file);
    assert_eq!(for_eyes(&mut browser), [""; 0]);
    assert_eq!(for_hands(&mut browser), [""; 0]);
    assert_eq!(browser.complaints, [""; 0]);

    // Each of these must be seen, or the lines above prove nothing.
    let file = e2e::run_dir().join("spoilt.html");
    let style = "<style>body { min-width: 1600px } p { color: #999; font-size: 6px } :focus-visible { outline: none !important }</style>";
    spoilt(&page, &file, style);
    browser.load(&file);
    let wrong = for_eyes(&mut browser);
    for word in ["400 light: wide", "1400 light: faint", "1400 dark: small"] {
        assert!(wrong.iter().any(|w| w.starts_with(word)), "{word}: {wrong:?}");
    }
    assert!(for_hands(&mut browser).iter().any(|w| w.starts_with("unseen")));
    spoilt(&page, &file, "<script>throw 'me'</script><img src='http://127.0.0.1:1/x.png'>");
    browser.load(&file);
    for word in ["exception", "request: http://127.0.0.1:1/x.png"] {
        assert!(browser.complaints.iter().any(|c| c.starts_with(word)), "{word}: {:?}", browser.complaints);
    }
}
