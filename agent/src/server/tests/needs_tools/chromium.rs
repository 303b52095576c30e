//! A headless Chromium over its `DevTools` protocol, on two pipes: a tab that is driven and listened to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// The protocol's pipes are the descriptors 3 and 4.
const ON_PIPES: &str = "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

pub struct Tab {
    browser: Child,
    commands: ChildStdin,
    messages: mpsc::Receiver<Value>,
    /// Events that nobody waited for yet.
    events: Vec<Value>,
    calls: u64,
    session: Option<String>,
    _profile: tempfile::TempDir,
}

impl Drop for Tab {
    fn drop(&mut self) {
        let ended = json!({"id": 0, "method": "Browser.close"});
        drop(self.commands.write_all(format!("{ended}\0").as_bytes()));
        // It ends with its last message; if not, it is ended.
        while self.messages.recv_timeout(Duration::from_secs(10)).is_ok() {}
        drop(self.browser.kill());
        drop(self.browser.wait());
    }
}

impl Tab {
    pub fn open() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Command::new("sh")
            .args(["-c", ON_PIPES, "sh", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--hide-scrollbars",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = browser.stdin.take().unwrap();
        let mut answers = BufReader::new(browser.stdout.take().unwrap());
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                let value = serde_json::from_slice(message.strip_suffix(&[0]).unwrap_or(&message));
                if value.is_ok_and(|value| sender.send(value).is_err()) {
                    return;
                }
                message.clear();
            }
        });
        let mut tab =
            Self { browser, commands, messages, events: Vec::new(), calls: 0, session: None, _profile: profile };
        let target = tab.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = tab.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        tab.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network", "DOM", "Audits"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        tab
    }

    #[expect(clippy::needless_pass_by_value, reason = "each caller makes them for the call")]
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            let message = self.next(method);
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn next(&self, awaited: &str) -> Value {
        self.messages.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            panic!("chromium says nothing to {awaited} ({error}): run tests/tools/install.sh if it is missing")
        })
    }

    /// The first event of this name that was not taken yet.
    pub fn event(&mut self, method: &str) -> Value {
        while !self.events.iter().any(|event| event["method"] == method) {
            let message = self.next(method);
            self.events.push(message);
        }
        let at = self.events.iter().position(|event| event["method"] == method).unwrap();
        self.events.remove(at)["params"].take()
    }

    /// All events of these names until now.
    pub fn events(&mut self, methods: &[&str]) -> Vec<Value> {
        self.call("Runtime.getIsolateId", json!({}));
        let (taken, left) = std::mem::take(&mut self.events)
            .into_iter()
            .partition(|event| methods.iter().any(|method| event["method"] == **method));
        self.events = left;
        taken
    }

    pub fn go(&mut self, url: &str) {
        self.events.retain(|event| event["method"] != "Page.loadEventFired");
        self.call("Page.navigate", json!({"url": url}));
        self.event("Page.loadEventFired");
    }

    /// The value of an expression, which may be a promise.
    pub fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression:.200}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    pub fn size(&mut self, width: u32, height: u32, is_phone: bool) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": if is_phone { 2 } else { 1 }, "mobile": is_phone});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Of a medium (`screen`, `print`) and a scheme of colours (`light`, `dark`).
    pub fn media(&mut self, medium: &str, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"media": medium, "features": features}));
    }

    /// With the mouse, in the middle of what a selector finds first. Scripts need not be on.
    pub fn click(&mut self, selector: &str) {
        let root = self.call("DOM.getDocument", json!({"depth": 0}))["root"]["nodeId"].clone();
        let node = self.call("DOM.querySelector", json!({"nodeId": root, "selector": selector}))["nodeId"].clone();
        assert_ne!(node, 0, "nothing is {selector}");
        self.call("DOM.scrollIntoViewIfNeeded", json!({"nodeId": node}));
        let quads = self.call("DOM.getContentQuads", json!({"nodeId": node}))["quads"][0].clone();
        let middle = |first: usize| (0..4).map(|at| quads[first + 2 * at].as_f64().unwrap()).sum::<f64>() / 4.0;
        let (x, y) = (middle(0), middle(1));
        for kind in ["mousePressed", "mouseReleased"] {
            let mouse = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", mouse);
        }
    }

    /// A click that leads to another page.
    pub fn follow(&mut self, selector: &str) {
        self.events.retain(|event| event["method"] != "Page.loadEventFired");
        self.click(selector);
        self.event("Page.loadEventFired");
    }

    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    pub fn submit(&mut self) {
        self.events.retain(|event| event["method"] != "Page.loadEventFired");
        for (kind, text) in [("keyDown", "\r"), ("keyUp", "")] {
            let key = json!({"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": text});
            self.call("Input.dispatchKeyEvent", key);
        }
        self.event("Page.loadEventFired");
    }

    /// The document as it is now. Scripts need not be on.
    pub fn document(&mut self) -> String {
        let root = self.call("DOM.getDocument", json!({"depth": 0}))["root"]["nodeId"].clone();
        let html = self.call("DOM.getOuterHTML", json!({"nodeId": root}))["outerHTML"].take();
        html.as_str().unwrap().to_owned()
    }

    /// Kept as `target/pictures/NAME.png`.
    pub fn picture(&mut self, name: &str) -> PathBuf {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pictures");
        std::fs::create_dir_all(&directory).unwrap();
        let taken = self.call("Page.captureScreenshot", json!({"format": "png"}))["data"].take();
        let path = directory.join(format!("{name}.png"));
        std::fs::write(&path, STANDARD.decode(taken.as_str().unwrap()).unwrap()).unwrap();
        path
    }
}
