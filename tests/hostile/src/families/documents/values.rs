//! Values of documents that are none: numbers without bound, fields twice, other types, words that steer.

use super::document;
use crate::attack::Attack;
use crate::shelf::{INDEX, MANIFEST};

const IMAGE: &str = r#""config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":2},"layers":[]"#;

pub fn attacks() -> Vec<Attack> {
    [numbers(), types(), texts(), platforms()].into_iter().flatten().collect()
}

/// A manifest whose layer has this size.
fn sized(name: &str, size: &str) -> Attack {
    let layer = format!(
        r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:{:064}","size":{size}}}"#,
        1
    );
    document(
        name,
        MANIFEST,
        format!(r#"{{"schemaVersion":2,"config":{{"digest":"sha256:{:064}","size":{size}}},"layers":[{layer}]}}"#, 0),
    )
}

fn numbers() -> Vec<Attack> {
    vec![
        sized("a size of 2^63", "9223372036854775808"),
        sized("a size of 2^63 - 1", "9223372036854775807"),
        sized("a size below zero", "-1"),
        sized("a size of 1e308", "1e308"),
        sized("a size of 100,000 digits", &"9".repeat(100_000)),
        sized("a size with a fraction", "2.5"),
        sized("a size that is a text", "\"2\""),
        document("a version of 2^64", INDEX, r#"{"schemaVersion":18446744073709551616,"manifests":[]}"#),
        document(
            "an exponent of 100,000 digits",
            INDEX,
            format!(r#"{{"x":1e{},"manifests":[]}}"#, "9".repeat(100_000)),
        ),
    ]
}

fn types() -> Vec<Attack> {
    let image = |name: &str, text: String| document(name, MANIFEST, text);
    vec![
        document("an index that is a list", INDEX, "[]"),
        document("an index that is null", INDEX, "null"),
        document("an index that is a text", INDEX, "\"index\""),
        document("an index that is a number", INDEX, "7"),
        document("an index of nothing", INDEX, ""),
        document("an index without entries", INDEX, "{}"),
        document("entries that are an object", INDEX, r#"{"manifests":{"a":1}}"#),
        document("entries twice", INDEX, r#"{"manifests":[],"manifests":[{}],"Manifests":null}"#),
        document("a media type twice", INDEX, format!(r#"{{"mediaType":"{INDEX}","mediaType":"{MANIFEST}"}}"#)),
        image("an image that is an index too", format!(r#"{{"manifests":[],{IMAGE}}}"#)),
        image("layers of an old schema", format!(r#"{{"fsLayers":[{{"blobSum":"x"}}],"schemaVersion":1,{IMAGE}}}"#)),
        document(
            "schema 1, signed",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#,
        ),
        document("an artifact", MANIFEST, r#"{"artifactType":"x/y","subject":{"digest":"sha256:0"},"blobs":[]}"#),
        document("a web page as a manifest", "text/html", "<html><title>\u{202e}</title></html>"),
        document("XML as an index", INDEX, "<manifests/>"),
        document("TOML as an index", INDEX, "manifests = []"),
    ]
}

fn texts() -> Vec<Attack> {
    vec![
        document("a document in UTF-16", INDEX, b"\xff\xfe{\0}\0".to_vec()),
        document("a byte order mark", INDEX, "\u{feff}{\"manifests\":[]}"),
        document("a document with NUL in it", INDEX, b"{\"manifests\":\0[]}".to_vec()),
        document("a text that does not end", INDEX, r#"{"mediaType":"abc"#),
        document("an escape that is none", INDEX, r#"{"mediaType":"\q"}"#),
        document("a line feed in a text", INDEX, "{\"mediaType\":\"a\nb\"}"),
        document("a comment", INDEX, "// index\n{\"manifests\":[]}"),
        document("a comma too many", INDEX, "{\"manifests\":[],}"),
        document("NaN", INDEX, "{\"x\":NaN}"),
        document(
            "a media type that steers",
            INDEX,
            r#"{"mediaType":"\u001b]8;;http://evil.example\u0007\u202e\r\n","manifests":[]}"#,
        ),
        document("keys that steer", MANIFEST, r#"{"\u001b[2J":1,"config":"\u202e","layers":{"\u0000":"\r\n"}}"#),
    ]
}

/// An index of one entry for this platform.
fn platform(name: &str, platform: &str) -> Attack {
    let entry = format!(r#"{{"mediaType":"{MANIFEST}","digest":"sha256:{:064}","size":2,"platform":{platform}}}"#, 0);
    document(name, INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#))
}

fn platforms() -> Vec<Attack> {
    let long = format!(r#"{{"os":"{}","architecture":"amd64"}}"#, "x".repeat(900_000));
    vec![
        platform(
            "a platform that steers",
            r#"{"os":"\u001b[31m\u001b]8;;x\u0007","architecture":"\u202e\u2066\u200b\u2028","variant":"\r\nFORGED"}"#,
        ),
        platform("a platform of 900 KB", &long),
        platform("a platform of nothing", r#"{"os":"","architecture":""}"#),
        platform("a platform of numbers", r#"{"os":1,"architecture":2}"#),
        platform("a platform that is a text", r#""linux/amd64""#),
        platform("a platform with a slash", r#"{"os":"linux/amd64","architecture":"amd64/linux"}"#),
        platform(
            "a platform of another version",
            r#"{"os":"windows","architecture":"amd64","os.version":"99999999999999999999.0.0"}"#,
        ),
    ]
}
