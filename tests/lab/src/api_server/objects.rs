//! Objects by path, label and field, and the refusals of RBAC.

use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Body, reply};

/// A path of the API, taken apart.
pub struct Asked {
    pub resource: String,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
    /// Behind the subresource.
    rest: String,
    pub query: Vec<(String, String)>,
    only_names: bool,
}

/// `a%2Fb+c` as a query has it.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits = if byte == b'%' { [rest.next(), rest.next()] } else { [None, None] };
        match digits {
            [Some(high), Some(low)] => {
                let number = [high, low].map(|digit| char::from(digit).to_digit(16).unwrap_or(0));
                bytes.push(u8::try_from(number[0] * 16 + number[1]).unwrap_or(b'?'));
            }
            _ => bytes.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Asked {
    pub fn of(request: &Request<Incoming>) -> Self {
        let path = request.uri().path();
        let mut parts: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
        // `api/v1` or `apis/GROUP/VERSION`.
        let prefix = if parts.first().is_some_and(|first| first == "api") { 2 } else { 3 };
        parts.drain(..prefix.min(parts.len()));
        let namespace = (parts.len() > 2 && parts[0] == "namespaces").then(|| parts.drain(..2).nth(1)).flatten();
        let mut parts = parts.into_iter();
        let (resource, name, subresource) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        };
        let accept = request.headers().get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
        Self {
            resource,
            namespace,
            name,
            subresource,
            rest: parts.collect::<Vec<_>>().join("/"),
            query: pairs.map(pair).collect(),
            only_names: accept.is_some_and(|accept| accept.contains("as=PartialObjectMetadataList")),
        }
    }

    pub fn verb(&self) -> &'static str {
        match (&self.name, self.subresource.as_deref()) {
            // What a WebSocket asks for, is a GET.
            (Some(_), _) => "get",
            (None, _) => "list",
        }
    }

    pub fn values(&self, name: &str) -> Vec<String> {
        self.query.iter().filter(|(own, _)| own == name).map(|(_, value)| value.clone()).collect()
    }

    fn value(&self, name: &str) -> String {
        self.values(name).pop().unwrap_or_default()
    }

    /// `NAMESPACE/POD:PORT/PATH`.
    pub fn proxied(&self) -> String {
        let or = |part: &Option<String>| part.clone().unwrap_or_default();
        format!("{}/{}/{}", or(&self.namespace), or(&self.name), self.rest)
    }

    pub fn refused_by(&self, forbidden: &[String]) -> Option<Response<Body>> {
        let resource = match &self.subresource {
            Some(subresource) => format!("{}/{subresource}", self.resource),
            None => self.resource.clone(),
        };
        let right = format!("{} {resource}", self.verb());
        let place = self.namespace.as_ref().map_or("of all".to_owned(), |namespace| format!("in {namespace}"));
        let is_refused = forbidden.iter().any(|one| *one == right || *one == format!("{right} {place}"));
        let message = format!(
            "{resource} is forbidden: User \"ann\" cannot {} resource \"{resource}\" in API group \"\" {place}",
            self.verb()
        );
        is_refused.then(|| status(403, &message))
    }

    /// The object or the list.
    pub fn read(&self, objects: &[Value]) -> Response<Body> {
        let of_kind = objects.iter().filter(|object| plural(&object["kind"]) == self.resource);
        let mut found: Vec<Value> = of_kind.filter(|object| self.is_meant(object)).cloned().collect();
        if let Some(name) = &self.name {
            return match found.pop() {
                Some(object) => reply(200, object.to_string()),
                None => status(404, &format!("{} \"{name}\" not found", self.resource)),
            };
        }
        if self.only_names {
            found.iter_mut().for_each(|object| *object = json!({"metadata": object["metadata"]}));
        }
        let limit = self.value("limit").parse().unwrap_or(usize::MAX);
        let begin: usize = self.value("continue").parse().unwrap_or(0);
        let left = found.len().saturating_sub(begin);
        let page: Vec<Value> = found.into_iter().skip(begin).take(limit).collect();
        let next = if left > page.len() { (begin + page.len()).to_string() } else { String::new() };
        let kind = page.first().and_then(|first| first["kind"].as_str()).unwrap_or("Object").to_owned();
        // A list of metadata that is empty is null, as of the real one.
        let items = if self.only_names && page.is_empty() { Value::Null } else { page.into() };
        reply(200, json!({"kind": format!("{kind}List"), "metadata": {"continue": next}, "items": items}).to_string())
    }

    fn is_meant(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let is = |wanted: &Option<String>, value: &Value| wanted.as_ref().is_none_or(|wanted| value == wanted.as_str());
        is(&self.namespace, &metadata["namespace"])
            && is(&self.name, &metadata["name"])
            && self.value("labelSelector").split(',').filter(|one| !one.is_empty()).all(|one| {
                let (label, value) = one.split_once('=').unwrap_or((one, ""));
                metadata["labels"][label] == value
            })
            && self.value("fieldSelector").split(',').filter(|one| !one.is_empty()).all(|one| {
                let (field, value) = one.split_once('=').unwrap_or((one, ""));
                let found = field.split('.').fold(object, |value, name| &value[name]);
                *found == value
            })
    }
}

fn plural(kind: &Value) -> String {
    format!("{}s", kind.as_str().unwrap_or_default().to_lowercase())
}

/// What the API server says where it does not give an object.
pub fn status(code: u16, message: &str) -> Response<Body> {
    reply(
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code})
            .to_string(),
    )
}
