//! Trouble in the content of an answer. Answers are read and written again here, which only trouble costs.

use serde_json::{Map, Value, json};

use super::Kind;

const NEXT: &str = "@odata.nextLink";
const DELTA: &str = "@odata.deltaLink";
const COUNT: &str = "@odata.count";
const TOKEN: &str = "$skiptoken=";

/// Properties that hold one of a few documented words.
const ENUMS: [&str; 12] = [
    "userType",
    "state",
    "capabilityStatus",
    "provisioningStatus",
    "status",
    "complianceState",
    "managementState",
    "managementAgent",
    "managedDeviceOwnerType",
    "trustType",
    "platform",
    "appliesTo",
];

/// A good answer while trouble is done to it.
pub(crate) struct Page {
    value: Value,
}

/// One thing that happens to a page.
pub(crate) struct Twist {
    pub(crate) kind: Kind,
    pub(crate) size: Option<u32>,
    pub(crate) draw: u64,
}

impl Page {
    /// Reads an answer; none when it is not JSON.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let value = serde_json::from_slice(body).ok()?;
        Some(Self { value })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.value.to_string().into_bytes()
    }

    fn objects(&self) -> Option<&Vec<Value>> {
        self.value.get("value")?.as_array()
    }

    /// The number of objects on it.
    pub(crate) fn len(&self) -> u32 {
        self.objects().map_or(0, |o| o.len() as u32)
    }

    pub(crate) fn could_meet(&self, kind: Kind) -> bool {
        let full = self.objects().is_some_and(|o| !o.is_empty());
        match kind {
            Kind::EmptyPage | Kind::Duplicate | Kind::Unknown | Kind::Null | Kind::Huge => full,
            Kind::RepeatedPage | Kind::MissingPage | Kind::ForeignLink => self.next().is_some(),
            Kind::Circle => self.next().is_some_and(|link| first(link).is_some()),
            Kind::WrongCount => self.value.is_u64() || self.value.get(COUNT).is_some(),
            _ => false,
        }
    }

    /// The link to the next page.
    pub(crate) fn next(&self) -> Option<&str> {
        self.value.get(NEXT)?.as_str()
    }

    /// Does it. `own` is the address of this page; `after` reads the page behind a link.
    pub(crate) fn twist(
        &mut self,
        twist: &Twist,
        own: &str,
        after: impl FnOnce(&str) -> Option<Self>,
    ) {
        match twist.kind {
            Kind::EmptyPage => {
                if let Some(values) = self.value.get_mut("value") {
                    *values = json!([]);
                }
                self.remove(DELTA);
                self.link(NEXT, again(own, twist.draw));
            }
            Kind::RepeatedPage => self.link(NEXT, again(own, twist.draw)),
            Kind::ForeignLink => {
                let path = own.find("/v1.0").and_then(|at| own.get(at..));
                let url = format!("https://graph.example.com{}", path.unwrap_or_default());
                self.link(NEXT, url);
            }
            // The first page leads to the second, and that one back.
            Kind::Circle => {
                if let Some(url) = own.contains(TOKEN).then(|| first(own)).flatten() {
                    self.link(NEXT, url);
                }
            }
            Kind::MissingPage => {
                let lost = self.next().and_then(after);
                self.remove(NEXT);
                for name in [NEXT, DELTA] {
                    let link = lost.as_ref().and_then(|p| p.value.get(name)?.as_str());
                    if let Some(link) = link {
                        self.link(name, link.to_owned());
                    }
                }
            }
            Kind::WrongCount => self.miscount(twist),
            Kind::Duplicate => self.with_values(|values| {
                let twin = pick(values, twist.draw).cloned();
                values.extend(twin);
            }),
            Kind::Unknown => self.with_values(|values| {
                if let Some(object) = pick(values, twist.draw).and_then(Value::as_object_mut) {
                    future(object);
                    object.insert("simFutureProperty".into(), json!({ "value": [1, "two"] }));
                }
            }),
            Kind::Null => self.with_values(|values| {
                if let Some(object) = pick(values, twist.draw).and_then(Value::as_object_mut) {
                    let names: Vec<String> = object
                        .iter()
                        .filter(|(name, value)| *name != "id" && !value.is_null())
                        .map(|(name, _)| name.clone())
                        .collect();
                    let at = (twist.draw >> 32) as usize % names.len().max(1);
                    if let Some(name) = names.get(at) {
                        object.insert(name.clone(), Value::Null);
                    }
                }
            }),
            Kind::Huge => self.with_values(|values| {
                if let Some(object) = pick(values, twist.draw).and_then(Value::as_object_mut) {
                    let size = twist.size.unwrap_or(1 << 20) as usize;
                    object.insert("displayName".into(), "x".repeat(size).into());
                }
            }),
            _ => {}
        }
    }

    fn with_values(&mut self, change: impl FnOnce(&mut Vec<Value>)) {
        if let Some(values) = self.value.get_mut("value").and_then(Value::as_array_mut) {
            change(values);
        }
    }

    fn link(&mut self, name: &str, url: String) {
        if let Some(page) = self.value.as_object_mut() {
            page.insert(name.to_owned(), url.into());
        }
    }

    fn remove(&mut self, name: &str) {
        if let Some(page) = self.value.as_object_mut() {
            page.shift_remove(name);
        }
    }

    /// More or fewer than there are, by one to ten.
    fn miscount(&mut self, twist: &Twist) {
        let count = match &mut self.value {
            Value::Object(page) => page.get_mut(COUNT),
            number => Some(number),
        };
        let Some(count) = count else {
            return;
        };
        let right = count.as_u64().unwrap_or(0);
        let by = 1 + twist.draw % 10;
        let wrong = match twist.size {
            Some(more) => right.saturating_add(more.into()),
            None if twist.draw >> 63 == 0 => right.saturating_add(by),
            None => right.checked_sub(by).unwrap_or(right + by),
        };
        *count = wrong.into();
    }
}

fn pick(values: &mut [Value], draw: u64) -> Option<&mut Value> {
    let at = draw as usize % values.len().max(1);
    values.get_mut(at)
}

/// The address of the first page of the chain that a link goes on with.
fn first(link: &str) -> Option<String> {
    let (before, _) = link.split_once(TOKEN)?;
    Some(before.trim_end_matches(['&', '?']).to_owned())
}

/// The same address, so that it looks like another: what has no `$` is ignored.
fn again(own: &str, draw: u64) -> String {
    let join = if own.contains('?') { '&' } else { '?' };
    format!("{own}{join}page={draw:x}")
}

/// Words that nobody knows yet, wherever one of a few is expected.
fn future(object: &mut Map<String, Value>) {
    for (name, value) in object.iter_mut() {
        match value {
            Value::String(text) if ENUMS.contains(&name.as_str()) => {
                *text = "unknownFutureValue".to_owned();
            }
            Value::Object(inner) => future(inner),
            Value::Array(items) => items
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(future),
            _ => {}
        }
    }
}
