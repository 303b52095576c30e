//! Runs the tools of the trade; one that is missing fails the test and says how to get it.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn path(relative: &str) -> PathBuf {
    root().join(relative)
}

pub fn text(relative: &str) -> String {
    let file = path(relative);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Every file of a directory of the repository, in order; a directory without any is a mistake.
pub fn files(relative: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(path(relative))
        .unwrap_or_else(|error| panic!("{relative}: {error}"))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{relative} has no files");
    files
}

pub fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs to the end, whatever the exit code.
pub fn output(command: &mut Command) -> Output {
    match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{} is missing: run tests/tools/install.sh", command.get_program().display())
        }
        Err(error) => panic!("{command:?}: {error}"),
    }
}

/// Runs to the end, which has to be a good one; what it printed.
pub fn success(command: &mut Command) -> String {
    let output = output(command);
    let (stdout, stderr) = streams(&output);
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout
}

/// Runs to the end, which has to be a refusal; all it said.
pub fn refusal(command: &mut Command) -> String {
    let output = output(command);
    let (stdout, stderr) = streams(&output);
    assert!(!output.status.success(), "{command:?} should have refused this:\n{stdout}");
    stdout + &stderr
}

fn streams(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A program of the tests' own Python environment.
pub fn python(program: &str) -> PathBuf {
    path("target/venv/bin").join(program)
}

/// Real Helm: `render`, `objects` or `lint` of the chart.
pub fn helm(verb: &str, values: Option<&Path>) -> Command {
    let mut helm = command(python("python"), [path("tests/tools/helm_render.py")]);
    helm.arg(verb).arg(path("deploy/helm/pullprobe"));
    if let Some(values) = values {
        helm.arg("--values").arg(values);
    }
    helm
}

/// The objects that Helm makes of the chart and these values.
pub fn objects(values: Option<&Path>) -> Vec<Value> {
    let json = success(&mut helm("objects", values));
    serde_json::from_str(&json).expect("a JSON list of objects")
}

pub fn object<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind} was rendered"))
}

/// A YAML file as the other tools of the trade read it.
pub fn yaml(file: &Path) -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let mut read = command(python("python"), ["-c", script]);
    serde_json::from_str(&success(read.arg(file))).expect("JSON")
}

pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
