//! The node's platform, as containerd's platforms package derives it.
//!
//! The architecture is the kernel's: that of a 32-bit containerd on a 64-bit kernel is not seen.

use std::path::Path;

use crate::host::root::HostRoot;
use crate::image::platform::Platform;

const CPUINFO: &str = "/proc/cpuinfo";
/// Some kB for each of hundreds of cores.
const CPUINFO_LIMIT: usize = 8 << 20;

/// `linux/amd64`, `linux/arm64` or `linux/arm/v7`, say.
pub fn platform(root: &HostRoot) -> Platform {
    let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
    if !has_variants(architecture(&machine)) {
        // The kernel asks each processor for what it writes there, and a node may have hundreds.
        return of(&machine, "");
    }
    // A root that is mounted without its /proc: the kernel's own is the same.
    let cpuinfo = root.read(Path::new(CPUINFO), CPUINFO_LIMIT).or_else(|_| std::fs::read(CPUINFO)).unwrap_or_default();
    of(&machine, &String::from_utf8_lossy(&cpuinfo))
}

/// From `uname -m` and the text of `/proc/cpuinfo`.
fn of(machine: &str, cpuinfo: &str) -> Platform {
    let architecture = architecture(machine);
    let variant = if has_variants(architecture) { variant(architecture, machine, cpuinfo) } else { "" };
    Platform::new("linux", architecture, variant)
}

fn has_variants(architecture: &str) -> bool {
    matches!(architecture, "arm" | "arm64")
}

/// Go's name for the machine.
fn architecture(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "i386" | "i486" | "i586" | "i686" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        // A 32-bit personality on a 64-bit kernel reports `armv8l`.
        arm if arm.starts_with("arm") => "arm",
        other => other,
    }
}

fn variant(architecture: &str, machine: &str, cpuinfo: &str) -> &'static str {
    let reported = field(cpuinfo, "cpu architecture").map(str::to_lowercase);
    let level = match &reported {
        Some(text) => text.as_str(),
        None => level_of(machine).unwrap_or_default(),
    };
    // The first Raspberry Pis report 7 and have a core of version 6.
    let model = || field(cpuinfo, "model name").unwrap_or_default().to_lowercase();
    if architecture == "arm" && level == "7" && model().starts_with("armv6-compatible") {
        return "v6";
    }
    match level {
        "8" | "aarch64" => "v8",
        "7" | "7m" | "?(12)" | "?(13)" | "?(14)" | "?(15)" | "?(16)" | "?(17)" => "v7",
        "6" | "6tej" => "v6",
        "5" | "5t" | "5te" | "5tej" => "v5",
        "4" | "4t" => "v4",
        "3" => "v3",
        // Nothing is known at all: containerd leaves the variant empty.
        "" => "",
        _ => "unknown",
    }
}

/// What the machine's name says where cpuinfo says nothing. `None`: the name is not one of ARM.
fn level_of(machine: &str) -> Option<&'static str> {
    let machine = machine.to_lowercase();
    if machine == "aarch64" {
        return Some("8");
    }
    Some(match machine.strip_prefix("armv")?.chars().next()? {
        '8' => "8",
        '7' => "7",
        '6' => "6",
        '5' => "5",
        '4' => "4",
        '3' => "3",
        _ => "unknown",
    })
}

/// The first line with this name; one core stands for all.
fn field<'c>(cpuinfo: &'c str, name: &str) -> Option<&'c str> {
    cpuinfo.lines().find_map(|line| {
        let mut parts = line.split(':');
        let own = parts.next()?.trim();
        let value = parts.next()?.trim();
        own.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Cases;

    #[test]
    fn the_variant_is_containerds() {
        for case in Cases::of_kind("cpu_variant") {
            let goarch = case.input["goarch"].as_str().unwrap();
            let line = |name: &str, key: &str| case.input[key].as_str().map(|value| format!("{name}\t: {value}\n"));
            let cpuinfo: String = ["CPU architecture", "model name"]
                .into_iter()
                .zip(["cpuinfo_cpu_architecture", "cpuinfo_model_name"])
                .filter_map(|(name, key)| line(name, key))
                .collect();
            let found = if goarch == "amd64" { "" } else { variant(goarch, "", &cpuinfo) };
            assert_eq!(found, case.expected["variant"], "{}", case.id);
            let machine = match goarch {
                "amd64" => "x86_64",
                "arm64" => "aarch64",
                other => other,
            };
            assert_eq!(of(machine, &cpuinfo), Platform::new("linux", goarch, found), "{}", case.id);
        }
    }

    #[test]
    fn the_machine_speaks_where_cpuinfo_is_silent() {
        for case in Cases::of_kind("cpu_variant_from_uname") {
            let machine = case.input["machine"].as_str().unwrap();
            let expected = case.expected["variant"].as_str().filter(|text| !text.starts_with("error"));
            let found = level_of(machine);
            assert_eq!(found, expected, "{} {machine}", case.id);
        }
    }

    #[test]
    fn machines_have_gos_names() {
        for (machine, cpuinfo, expected) in [
            ("x86_64", "model name : Some CPU\n", "linux/amd64"),
            ("i686", "", "linux/386"),
            ("aarch64", "processor : 0\nCPU architecture: 8\n\nprocessor : 1\nCPU architecture: 7\n", "linux/arm64"),
            ("aarch64", "", "linux/arm64"),
            ("aarch64", "CPU architecture: 9\n", "linux/arm64/unknown"),
            ("armv7l", "", "linux/arm/v7"),
            ("armv6l", "model name : ARMv6-compatible processor rev 7 (v6l)\nCPU architecture: 7\n", "linux/arm/v6"),
            ("armv8l", "CPU architecture: 8\n", "linux/arm/v8"),
            ("riscv64", "", "linux/riscv64"),
            ("s390x", "", "linux/s390x"),
            ("ppc64le", "", "linux/ppc64le"),
            ("loongarch64", "", "linux/loong64"),
        ] {
            assert_eq!(of(machine, cpuinfo).to_string(), expected, "{machine}");
        }
    }

    #[test]
    fn a_root_without_proc_is_still_a_node() {
        let dir = tempfile::tempdir().unwrap();
        let bare = platform(&HostRoot::open(dir.path()).unwrap());
        assert_eq!(bare, platform(&HostRoot::open("/").unwrap()));
    }
}
