//! pullprobe's own settings: valid as a whole, or every problem with its place in the file.

use pullprobe::settings;

use super::node::check_place;

pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match settings::parse("/settings.yaml", &text) {
        Ok(valid) => {
            assert!(valid.probe.concurrency > 0 && !valid.probe.interval.is_zero(), "{:?}", valid.probe);
            let timeouts = &valid.probe.timeouts;
            for limit in [timeouts.dns, timeouts.tcp, timeouts.tls, timeouts.http] {
                assert!(!limit.is_zero(), "{timeouts:?}");
            }
            assert_eq!(settings::parse("/settings.yaml", &text), Ok(valid));
        }
        Err(problems) => {
            // A carriage return alone ends a line, too (YAML 1.2, section 5.4).
            let lines = text.replace("\r\n", "\n").replace('\r', "\n");
            assert!(!problems.is_empty() && problems.len() <= 16 + data.len(), "{}", problems.len());
            for problem in problems {
                check_place(lines.as_bytes(), problem.line, problem.column);
                let shown = problem.to_string();
                assert!(shown.len() <= 4096 && !shown.chars().any(char::is_control), "{shown:?}");
            }
        }
    }
}
