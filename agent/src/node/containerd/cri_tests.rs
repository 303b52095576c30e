//! Settings of CRI that keep it from loading, although no pull needs them.

use super::cases_tests::load;

const MAIN: &str = "/etc/containerd/config.toml";

/// Seen of 1.6.20, 1.7.24 and 2.1.9: each keeps CRI from loading, although no pull needs it.
#[test]
fn a_duration_of_cri_that_is_none_keeps_it_from_loading() {
    let reason = "time: missing unit in duration \"5\"";
    let told = |version: &str, schema: u32, section: &str, key: &str, value: &str| {
        let text = format!("version = {schema}\n[plugins.'{section}']\n{key} = '{value}'\n");
        load(&[(MAIN, &text)], version).fatal.map(|fault| fault.message)
    };
    let (old, runtime) = ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime");
    let (idle, drain) = ("stream_idle_timeout", "drain_exec_sync_io_timeout");
    let of_idle = Some(format!("invalid plugin config: invalid stream idle timeout: {reason}"));
    let of_drain = Some(format!("invalid plugin config: invalid `drain_exec_sync_io_timeout`: {reason}"));
    for version in ["1.6.20", "1.7.24"] {
        assert_eq!(told(version, 2, old, idle, "5"), of_idle, "{version}");
        assert_eq!(told(version, 2, old, idle, "4h"), None, "{version}");
    }
    // The key came with 1.7.
    assert_eq!((told("1.6.20", 2, old, drain, "5"), told("1.7.24", 2, old, drain, "5")), (None, of_drain.clone()));
    assert_eq!(told("2.1.9", 3, runtime, drain, "5"), of_drain);
    assert_eq!(told("2.1.9", 2, old, drain, "5"), of_drain);
    assert_eq!((told("2.1.9", 3, old, drain, "5"), told("2.1.9", 3, runtime, idle, "5")), (None, None));
    assert_eq!(
        told("2.1.9", 3, old, idle, "5"),
        Some(format!("invalid cri image config: invalid stream idle timeout: {reason}"))
    );
    assert_eq!((told("2.1.9", 3, runtime, drain, ""), told("2.1.9", 3, runtime, drain, "0s")), (None, None));
}

/// Seen of 1.6.20, 1.7.24 and 2.1.9. The words of `io_type` name a value that it does not take.
#[test]
fn a_value_of_any_runtime_that_is_refused_keeps_cri_from_loading() {
    let told = |version: &str, line: &str| {
        let (schema, section) = match version {
            "2.1.9" => (3, "io.containerd.cri.v1.runtime"),
            _ => (2, "io.containerd.grpc.v1.cri"),
        };
        let of = |name| {
            format!("[plugins.'{section}'.containerd.runtimes.{name}]\nruntime_type = 'io.containerd.runc.v2'\n")
        };
        let text = format!("version = {schema}\n{}{}{line}\n", of("runc"), of("other"));
        load(&[(MAIN, &text)], version).fatal.map(|fault| fault.message)
    };
    let all = "privileged_without_host_devices_all_devices_allowed";
    let of_devices =
        Some(format!("invalid plugin config: `{all}` requires `privileged_without_host_devices` to be enabled"));
    let devices = |version: &str| told(version, &format!("{all} = true"));
    assert_eq!([devices("1.6.20"), devices("1.7.24"), devices("2.1.9")], [None, of_devices.clone(), of_devices]);
    assert_eq!(told("2.1.9", &format!("{all} = true\nprivileged_without_host_devices = true")), None);
    let io = |version: &str, value: &str| told(version, &format!("io_type = '{value}'"));
    let of_io = Some("invalid plugin config: `io_type` can only be `streaming` or `named_pipe`".to_owned());
    assert_eq!([io("2.1.9", "fifo"), io("2.1.9", "streaming"), io("2.1.9", "")], [None, None, None]);
    assert_eq!([io("2.1.9", "named_pipe"), io("2.1.9", "pipe")], [of_io.clone(), of_io]);
    assert_eq!([io("1.6.20", "pipe"), io("1.7.24", "pipe")], [None, None]);
}
