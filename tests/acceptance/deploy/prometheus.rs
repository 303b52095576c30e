//! A real Prometheus, and one that has scraped an exposition.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use serde_json::Value;
use tempfile::TempDir;

use super::daemon::{Daemon, eventually};
use super::tools::{command, success};

pub struct Prometheus {
    url: String,
    _daemon: Daemon,
    _directory: TempDir,
}

impl Prometheus {
    /// Ready as soon as rates have the two samples that they need. Labels of the text win over those of the scrape.
    pub fn scraping(exposition: String) -> Self {
        let target = serve(exposition);
        Self::start(&configuration(target), "count_over_time(pullprobe_build_info[5m]) >= 2")
    }

    /// With this configuration; ready as soon as the query has an answer.
    pub fn start(configuration: &str, ready: &str) -> Self {
        // Prometheus takes no port 0: a port that was free a moment ago may be taken by now.
        for _ in 0..5 {
            if let Some(prometheus) = Self::attempt(configuration, ready) {
                return prometheus;
            }
        }
        panic!("Prometheus found no free port in five attempts");
    }

    fn attempt(configuration: &str, ready: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("prometheus.yml");
        std::fs::write(&config, configuration).unwrap();
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).unwrap();
        let mut server = command("prometheus", ["--web.listen-address"]);
        server
            .arg(address.to_string())
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        let mut daemon = Daemon::start(&mut server, directory.path().join("log"));
        let url = format!("http://{address}");
        let scraped = eventually(|| {
            if daemon.has_ended() {
                return Some(false);
            }
            ask(&url, ready).is_some_and(|samples| !samples.is_empty()).then_some(true)
        });
        match scraped {
            Some(true) => Some(Self { url, _daemon: daemon, _directory: directory }),
            Some(false) if daemon.log().contains("address already in use") => None,
            _ => panic!("Prometheus has no answer to {ready}:\n{}", daemon.log()),
        }
    }

    /// What Prometheus answers now; a query that it does not understand fails the test.
    pub fn query(&self, query: &str) -> Vec<Value> {
        let mut promtool = command("promtool", ["query", "instant", "-o", "json", &self.url, query]);
        serde_json::from_str(&success(&mut promtool)).expect("a vector")
    }
}

/// `None` while the server does not answer yet.
fn ask(url: &str, query: &str) -> Option<Vec<Value>> {
    let output = command("promtool", ["query", "instant", "-o", "json", url, query]).output().unwrap();
    serde_json::from_slice(&output.stdout).ok()
}

fn configuration(target: SocketAddr) -> String {
    format!(
        "global: {{scrape_interval: 1s}}\n\
         scrape_configs:\n\
         - job_name: pullprobe\n\
         \x20 honor_labels: true\n\
         \x20 static_configs: [{{targets: ['{target}']}}]\n"
    )
}

/// Answers every request with the same text, until the test binary ends.
pub fn serve(text: String) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            // A scrape that was cut short is followed by the next one.
            drop(connection.and_then(|connection| answer(&connection, &text)));
        }
    });
    address
}

fn answer(mut connection: &TcpStream, text: &str) -> std::io::Result<()> {
    for line in BufReader::new(connection).lines() {
        if line?.is_empty() {
            break;
        }
    }
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}
