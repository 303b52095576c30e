//! What go-toml 1 refuses and overlooks, as containerd 1.6 and 1.7 were seen to.

use crate::toml::{Dialect, SyntaxError, Table, Value, parse};

fn one(text: &str) -> Result<Table, SyntaxError> {
    parse(text, "f", Dialect::One)
}

#[test]
fn what_came_with_later_versions_of_the_language_is_refused() {
    let refused = [
        "a = 1979-05-27",
        "a = [1979-05-27]",
        "a = 1979-05-27T07:32",
        "a = 07:32",
        "a = 1979-05-27t07:32:00z",
        r#"a = "\e""#,
        r#"a = """\x41""""#,
        r#"a = """x"""""#,
        "a = '''x''''",
        "a = { b\n= 1 }",
        "a = { b =\n1 }",
        "a = { b = 1\n, c = 2 }",
        "a = { b = 1, }",
        "a = 010",
        "a =\r1",
        "a = \"x\ry\"",
        "a = \"x\u{1}y\"",
    ];
    for text in refused {
        assert!(one(&format!("{text}\n")).is_err(), "{text:?}");
    }
    let read = [
        "a = 1979-05-27 # x",
        "a = 1979-05-27T07:32:00",
        "a = 1979-05-27 07:32:00Z",
        "a = 07:32:00",
        r#"a = """x""y""""#,
        "a = {\n b = 1,\n c = 2\n}",
        "a = [\n1, # x\n2\n]",
        "a = 0x0F",
        "a = 0.5",
        "a = 0",
    ];
    for text in read {
        assert!(one(text).is_ok(), "{text:?}: {:?}", one(text));
    }
}

#[test]
fn what_the_language_forbids_is_read_and_every_place_stays_right() {
    let value = |text: &str, key: &str| one(text).unwrap().get(key).and_then(Value::as_str).map(str::to_owned);
    assert_eq!(value("# a\rb = 'no'\nb = 'yes'\n", "b").as_deref(), Some("yes"));
    assert_eq!(value("a = 1\rb = 'x'\r", "b").as_deref(), Some("x"));
    assert_eq!(value("# \u{1}\nb = 'x\ny\u{1}'", "b").as_deref(), Some("x\ny\u{1}"));
    assert_eq!(value(r#"b = "https:\/\/x""#, "b").as_deref(), Some("https://x"));
    assert_eq!(value(r#"b = "\ud800\u0041""#, "b").as_deref(), Some("\u{fffd}A"));
    assert_eq!(value(r#"b = """x\ y""""#, "b").as_deref(), Some("xy"));
    // Three keys in a row, two of them empty.
    let table = one("\"\"\"b\"\"\" = 'x'").unwrap();
    assert_eq!(table.path(&["", "b", ""]).and_then(Value::as_str), Some("x"));
    assert_eq!(one("a = -09").unwrap().get("a"), one("a = -9").unwrap().get("a"));
    let table = one("a = \"\\/\" # \u{1}\n[b] c = 1\n").unwrap();
    let place = &table.path(&["b", "c"]).unwrap().key;
    assert_eq!((place.start().line, place.start().column), (2, 5));
}

#[test]
fn a_key_of_very_many_parts_is_refused_before_anything_is_built() {
    // What costs each part the whole key before it takes minutes here.
    let long = vec!["a"; 450_000].join(".");
    let inner = vec!["a"; 100].join(".");
    for text in [
        format!("[{long}]\nb = 1"),
        format!("[[{long}]]\nb = 1"),
        format!("{long} = 1"),
        format!("x = {{ {long} = 1 }}"),
        format!("[{inner}]\n{inner} = 1"),
        format!("x = {{ {inner} = {{ {inner} = 1 }} }}"),
    ] {
        assert!(one(&text).is_err(), "{}", &text[..40]);
    }
    assert!(one(&format!("[{inner}]\nb = 1")).is_ok());
}
