//! A real browser without a window, driven by the `DevTools` protocol: <https://chromedevtools.github.io/devtools-protocol/>.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// What browsers of Chromium's family are called on different systems.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// How long the browser may take to say anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page, gone with the value.
pub struct Browser {
    child: Child,
    _profile: TempDir,
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    last: u64,
    loaded: bool,
    /// What the page did that it must not: exceptions, errors, requests that leave the file.
    pub complaints: Vec<String>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Starts the browser.
    pub fn start() -> Self {
        let profile = TempDir::new().expect("a profile");
        let mut child = NAMES
            .iter()
            .find_map(|name| {
                Command::new(name)
                    .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
                    .args(["--remote-debugging-port=0", "--hide-scrollbars"])
                    .arg(format!("--user-data-dir={}", profile.path().display()))
                    .arg("about:blank")
                    .stdin(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .ok()
            })
            .unwrap_or_else(|| panic!("none of {NAMES:?} is on PATH: install Chromium"));
        let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
        let url = said.by_ref().map_while(Result::ok).find_map(|l| Some(l.split_once("listening on ")?.1.to_owned()));
        let url = url.expect("the browser names its address");
        std::thread::spawn(move || said.count());
        let address = url.trim_start_matches("ws://").split('/').next().expect("an address").to_owned();
        let stream = TcpStream::connect(address).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let (socket, _) = tungstenite::client(url, stream).expect("a connection");
        let mut browser =
            Self { child, _profile: profile, socket, session: None, last: 0, loaded: false, complaints: Vec::new() };
        let targets = browser.command("Target.getTargets", &json!({}));
        let page = targets["targetInfos"].as_array().expect("targets").iter().find(|t| t["type"] == "page");
        let attach = json!({ "targetId": page.expect("a page")["targetId"], "flatten": true });
        browser.session = browser.command("Target.attachToTarget", &attach)["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.command(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Asks for something, and waits for the answer.
    pub fn command(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut ask = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            ask["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(ask.to_string())).expect("sent");
        loop {
            let mut message = self.next();
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
        }
    }

    /// The next message, after what it tells was noted.
    fn next(&mut self) -> Value {
        let message = self.socket.read().expect("the browser goes on");
        let message: Value = message.to_text().ok().and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Page.loadEventFired") => self.loaded = true,
            Some("Runtime.exceptionThrown") => {
                self.complaints.push(format!("exception: {}", params["exceptionDetails"]));
            }
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(format!("error: {}", params["entry"]["text"]));
            }
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                if !url.starts_with("file:") && !url.starts_with("data:") {
                    self.complaints.push(format!("request: {url}"));
                }
            }
            _ => {}
        }
        message
    }

    /// Loads a file, to its end.
    pub fn load(&mut self, file: &Path) {
        (self.loaded, self.complaints) = (false, Vec::new());
        self.command("Page.navigate", &json!({ "url": format!("file://{}", file.display()) }));
        while !self.loaded {
            self.next();
        }
    }

    /// Gives the window this many pixels, and the colours that a user prefers: `light` or `dark`.
    pub fn look(&mut self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", &size);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.command("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// The value of an expression in the page.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "returnByValue": true });
        let mut answer = self.command("Runtime.evaluate", &ask);
        assert!(answer["exceptionDetails"].is_null(), "{answer:#}");
        answer["result"]["value"].take()
    }

    /// Presses a key and lets it go: `Tab` or `Enter`.
    pub fn press(&mut self, key: &str) {
        let (code, text) = if key == "Tab" { (9, "") } else { (13, "\r") };
        let event = |kind: &str, text: &str| json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
        self.command("Input.dispatchKeyEvent", &event(if text.is_empty() { "rawKeyDown" } else { "keyDown" }, text));
        self.command("Input.dispatchKeyEvent", &event("keyUp", ""));
    }
}
