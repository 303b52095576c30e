//! Files that are none: a pipe that nobody writes to, a device without an end.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::super::binary::{Agent, Finished, finish, pullprobe};
use super::measured;

/// Long enough for a busy machine.
const BOUND: Duration = Duration::from_secs(10);

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn in_time(attack: &str, command: &mut Command) -> Finished {
    let began = Instant::now();
    let finished = finish(command);
    measured(attack, "10 s", &format!("{:.1?}, exit code {:?}", began.elapsed(), finished.code));
    assert!(began.elapsed() < BOUND, "{finished:?}");
    finished
}

#[test]
fn settings_are_read_from_a_regular_file_only() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("settings");
    pipe(&fifo);
    for file in [fifo.as_path(), Path::new("/dev/zero"), directory.path()] {
        for verb in [&["check", "registry.example/a:1"][..], &["run"], &["lint"]] {
            let mut command = pullprobe(verb);
            command.arg("--config").arg(file).arg("--host-root").arg(directory.path());
            let finished = in_time(&format!("{} --config {}", verb[0], file.display()), &mut command);
            assert_eq!(finished.code, Some(2), "{finished:?}");
            assert!(finished.stderr.contains(&*file.to_string_lossy()), "{finished:?}");
        }
    }
}

#[test]
fn settings_that_are_too_long_are_refused_with_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("settings");
    std::fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
    let finished = in_time("settings of a TiB", pullprobe(["lint", "--config"]).arg(&file));
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("larger than 1048576 bytes"), "{finished:?}");
}

#[test]
fn an_earlier_answer_is_read_from_a_regular_file_only() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("earlier");
    pipe(&fifo);
    let mut command = pullprobe(["hosts", "127.0.0.1:1/a:1", "--timeout", "2s", "--host-root"]);
    command.arg(directory.path()).arg("--since").arg(&fifo);
    let finished = in_time("hosts --since a pipe", &mut command);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("not a regular file"), "{finished:?}");
}

/// Each file that the agent keeps, and each that it writes beside it.
#[test]
fn the_agent_serves_and_ends_whatever_stands_where_its_files_are() {
    for name in ["pulls", "pulls.new", "pulls.hosts", "pulls.hosts.new", "pulls.d"] {
        let directory = tempfile::tempdir().unwrap();
        pipe(&directory.path().join(name));
        let settings = directory.path().join("pullprobe.yaml");
        let text = format!(
            "node: {{name: worker-71}}\ntargets: {{images: [{{image: '127.0.0.1:1/a:1', interval: 5s}}], \
             discover: {{certs_d: false, sandbox_image: false}}}}\n\
             probe: {{interval: 5s, counted_pulls_per_hour: 5, counted_pulls_file: '{}'}}\nweb: {{listen: ['127.0.0.1:0']}}\n",
            directory.path().join("pulls").display()
        );
        std::fs::write(&settings, text).unwrap();
        let began = Instant::now();
        let mut command = pullprobe(["run", "--config"]);
        command.arg(&settings).arg("--host-root").arg(directory.path());
        let mut agent = Agent::start(&mut command).ready();
        assert_eq!(agent.get("/healthz").status, 200);
        agent.terminate();
        let ended = agent.ended_within(BOUND);
        measured(&format!("run, a pipe as {name}"), "serves, ends at SIGTERM", &format!("{:.1?}", began.elapsed()));
        assert!(ended.is_some(), "{name}: it does not end:\n{}", agent.log());
    }
}
