//! A real browser and an accessibility checker walk the page. Pictures are left in `target/pictures`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::*;

mod chromium;

use chromium::Tab;

/// The checker; `tests/tools/install.sh` fetches it.
const AXE: &str = "target/tools/axe/axe.min.js";
/// What the browser itself has against a page.
const COMPLAINTS: [&str; 4] =
    ["Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Audits.issueAdded"];

/// An agent's page whose snapshot can be changed, and a tab that looks at it.
struct Walk {
    tab: Tab,
    address: SocketAddr,
    snapshots: watch::Sender<Arc<Snapshot>>,
    stop: CancellationToken,
}

impl Walk {
    async fn start(snapshot: Snapshot) -> Self {
        let (snapshots, reader) = watch::channel(Arc::new(snapshot));
        let bound = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
        let (address, stop) = (bound.addresses()[0], CancellationToken::new());
        let content =
            Content { snapshots: reader, ..content(&Store::new(sample::empty()), readiness(&Arc::default())) };
        tokio::spawn(bound.serve(content, stop.clone()));
        let mut tab = tokio::task::spawn_blocking(Tab::open).await.unwrap();
        tab.size(1180, 1000, false);
        Self { tab, address, snapshots, stop }
    }

    fn go(&mut self, query: &str) {
        let url = format!("http://{}/{query}", self.address);
        self.tab.go(&url);
    }

    /// What is wrong by the browser's own word, and that nothing was asked of others.
    fn well_behaved(&mut self, state: &str) {
        let complaints = self.tab.events(&COMPLAINTS);
        assert!(complaints.is_empty(), "{state}: {complaints:#?}");
        let own = format!("http://{}/", self.address);
        for request in self.tab.events(&["Network.requestWillBeSent"]) {
            let url = request["params"]["request"]["url"].as_str().unwrap();
            assert!(url.starts_with(&own), "{state}: {url}");
        }
    }

    /// No serious word of the checker. What it looks at must be on the screen, so all rows are opened.
    fn accessible(&mut self, state: &str) {
        let opened = "for (const row of document.querySelectorAll('details')) row.open = true";
        self.tab.eval(opened);
        let checker = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(AXE);
        let source = std::fs::read_to_string(&checker).unwrap_or_else(|error| {
            panic!("{}: {error}: run tests/tools/install.sh", checker.display());
        });
        self.tab.eval(&format!("{source}; 0"));
        let found = self.tab.eval(
            "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(one => \
             [one.impact, one.id, one.nodes.slice(0, 3).map(node => node.html + node.failureSummary)]))",
        );
        let found = found.as_array().unwrap();
        let serious = |one: &&Value| one[0] == "serious" || one[0] == "critical";
        assert_eq!(found.iter().find(serious), None, "{state}");
        println!("{state}: {} remarks that are not serious: {found:?}", found.len());
        // The checker itself does what the page may not.
        self.tab.events(&COMPLAINTS);
    }

    fn rows(&mut self) -> Vec<String> {
        let names = self.tab.eval("[...document.querySelectorAll('summary code')].map(name => name.textContent)");
        names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// As if the tab had been away.
    fn come_back(&mut self) {
        self.tab.eval("document.dispatchEvent(new Event('visibilitychange')); 0");
    }

    /// Until a text is on the page.
    fn await_text(&mut self, text: &str) {
        let text = serde_json::to_string(text).unwrap();
        self.tab.eval(&format!(
            "new Promise(resolve => {{ const look = () => document.body.textContent.includes({text}) ? resolve(1) : \
             requestAnimationFrame(look); look(); }})"
        ));
    }
}

/// Runs what blocks beside the server.
async fn walk(snapshot: Snapshot, steps: impl FnOnce(&mut Walk)) {
    let mut walk = Walk::start(snapshot).await;
    tokio::task::block_in_place(|| steps(&mut walk));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_each_state_the_page_is_accessible_and_a_browser_has_nothing_against_it() {
    let states = [
        ("empty", sample::empty()),
        ("well", sample::well()),
        ("mixed", sample::remembered(sample::rich())),
        ("hostile", sample::hostile()),
        ("many", sample::remembered(sample::many(200, 200))),
    ];
    Box::pin(walk(sample::empty(), |walk| {
        for (state, snapshot) in states {
            walk.snapshots.send_replace(Arc::new(snapshot));
            for (scheme, phone) in [("light", false), ("dark", false), ("light", true)] {
                let name = format!("{state}-{}", if phone { "phone" } else { scheme });
                walk.tab.media("screen", scheme);
                if phone {
                    walk.tab.size(390, 844, true);
                } else {
                    walk.tab.size(1180, 1000, false);
                }
                walk.go("");
                walk.tab.picture(&name);
                let [wide, most] = ["scrollWidth", "clientWidth"]
                    .map(|what| walk.tab.eval(&format!("document.documentElement.{what}")).as_u64().unwrap());
                assert!(wide <= most, "{name} is {wide} wide");
                walk.well_behaved(&name);
                // Of many rows the markup is that of few.
                if state != "many" {
                    walk.accessible(&name);
                    walk.tab.picture(&format!("{name}-opened"));
                }
            }
        }
        walk.tab.media("print", "light");
        walk.tab.size(1180, 1000, false);
        walk.go("");
        walk.tab.picture("many-print");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watch_over_the_page_would_notice() {
    walk(sample::rich(), |walk| {
        walk.go("");
        walk.tab.eval("document.body.setAttribute('style', 'color: red'); 0");
        walk.tab.eval("try { document.body.innerHTML = '<b>'; } catch {} 0");
        let complaints = walk.tab.events(&COMPLAINTS);
        let told = |part: &str| complaints.iter().filter(|one| one.to_string().contains(part)).count();
        assert!(told("style-src") > 0 && told("trusted") > 0, "{complaints:#?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_and_search_are_chosen_by_hand_with_and_without_scripts() {
    walk(sample::rich(), |walk| {
        walk.go("");
        assert_eq!(walk.rows().len(), 8);
        walk.tab.follow(".states a.bad");
        assert_eq!(walk.rows().len(), 4);
        walk.tab.click("#q");
        walk.tab.write("GHCR");
        walk.tab.submit();
        assert_eq!(walk.rows(), ["ghcr.io", "ghcr.io/example/private:1"]);
        assert_eq!(walk.tab.eval("location.search"), "?state=failing&q=GHCR");
        walk.tab.follow(".filter form a");
        assert_eq!(walk.rows().len(), 8);
        walk.well_behaved("scripts");

        walk.tab.call("Emulation.setScriptExecutionDisabled", serde_json::json!({"value": true}));
        walk.go("?q=ghcr.io");
        walk.tab.follow(".states a.bad");
        walk.tab.click(".rows details:last-of-type summary");
        let document = walk.tab.document();
        assert_eq!(document.matches("<details class=").count(), 2);
        assert_eq!(document.matches("open=\"\"").count(), 1, "{document}");
        assert!(document.contains("Reload the page to see what is new.") && document.contains("<label hidden"));
        walk.well_behaved("no scripts");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_leaves_the_reader_where_they_are() {
    walk(sample::many(200, 200), |walk| {
        walk.go("?q=example");
        let before: BTreeSet<String> = walk.rows().into_iter().collect();
        walk.tab.click("#q");
        walk.tab.write("half a wo");
        let row = "image-registry-050.example/team-6/service-150:1.4.2";
        let place = format!("document.getElementById('{row}')");
        walk.tab.eval(&format!(
            "{place}.scrollIntoView({{block: 'center'}}); {place}.firstChild.focus({{preventScroll: true}})"
        ));
        walk.tab.eval(&format!("{place}.open = true; window.kept = {place}; 0"));
        let top = format!("Math.round({place}.getBoundingClientRect().top)");
        let was = walk.tab.eval(&top);
        assert!(walk.tab.eval("scrollY").as_f64().unwrap() > 1_000.0);

        // Above it, things get worse and new ones come; and its own answer is another.
        let mut snapshot = sample::many(240, 200);
        snapshot.node = "renamed".into();
        let mut own = snapshot.images[&row["image-".len()..]].as_ref().clone();
        own.verdict.summary = "Something else is known now.".into();
        snapshot.images.insert(own.requested.clone().into(), Arc::new(own));
        walk.snapshots.send_replace(Arc::new(snapshot));
        walk.come_back();
        walk.await_text("renamed");

        let after: BTreeSet<String> = walk.rows().into_iter().collect();
        assert!(after.len() == 340 && after.is_superset(&before), "{}", after.len());
        assert_eq!(
            walk.tab.eval(&format!("[{place} === kept, kept.open, document.activeElement === kept.firstChild]")),
            serde_json::json!([true, true, true])
        );
        let moved = walk.tab.eval(&top).as_i64().unwrap() - was.as_i64().unwrap();
        assert!(moved.abs() <= 1, "the row moved on the screen by {moved}");
        assert_eq!(walk.tab.eval("document.getElementById('q').value"), "examplehalf a wo");
        assert_eq!(walk.tab.eval("kept.textContent.includes('Something else is known now.')"), true);
        assert_eq!(walk.tab.eval("location.search"), "?q=example");
        walk.well_behaved("update");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_asks_again_by_itself_unless_it_is_hidden_or_told_not_to_and_says_when_nobody_answers() {
    const REQUEST: [&str; 1] = ["Network.requestWillBeSent"];
    walk(sample::rich(), |walk| {
        walk.go("");
        walk.tab.events(&REQUEST);
        let hidden = |hidden: bool| {
            format!("Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}}); 0")
        };
        walk.tab.eval(&hidden(true));
        walk.come_back();
        walk.tab.eval(&hidden(false));
        walk.tab.click("#wanted");
        walk.come_back();
        assert_eq!(walk.tab.events(&REQUEST), [Value::Null; 0]);
        walk.tab.click("#wanted");
        walk.tab.event(REQUEST[0]);
        walk.tab.event("Network.loadingFinished");

        let mut snapshot = sample::rich();
        snapshot.node = "renamed".into();
        walk.snapshots.send_replace(Arc::new(snapshot));
        let advanced = serde_json::json!({"policy": "advance", "budget": 16_000});
        walk.tab.call("Emulation.setVirtualTimePolicy", advanced);
        walk.tab.event("Emulation.virtualTimeBudgetExpired");
        walk.await_text("renamed");
        walk.well_behaved("by itself");

        walk.stop.cancel();
        walk.come_back();
        walk.await_text("The agent does not answer");
    })
    .await;
}
