//! The properties of the smaller object types in v1.0, and what of them an answer shows.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::query::{self, Query};
use crate::reply::Failure;

/// One object as name and value; what has no value is missing.
pub(crate) type Object = Map<String, Value>;

/// When Graph shows a property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// Without being asked.
    Default,
    /// When it is selected.
    Select,
    /// When it is selected of one object.
    Single,
    /// Never; it serves filters.
    Never,
}

struct Property {
    name: &'static str,
    class: Class,
    /// A collection, which is empty instead of null.
    list: bool,
}

/// A type with its properties.
pub(crate) struct Shape {
    /// As in `microsoft.graph.{name}`.
    pub(crate) name: &'static str,
    properties: Vec<Property>,
}

static SHAPES: LazyLock<HashMap<&str, Shape>> = LazyLock::new(|| {
    let mut shapes = HashMap::new();
    for line in include_str!("../data/object-properties.tsv").lines() {
        let mut fields = line.split('\t');
        let (Some(of), Some(name), Some(class), Some(empty)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let shape = shapes.entry(of).or_insert_with(|| Shape {
            name: of,
            properties: Vec::new(),
        });
        shape.properties.push(Property {
            name,
            class: match class {
                "select" => Class::Select,
                "single" => Class::Single,
                "never" => Class::Never,
                _ => Class::Default,
            },
            list: empty == "list",
        });
    }
    shapes
});

/// The type of this name.
pub(crate) fn of(name: &str) -> &'static Shape {
    static NOTHING: Shape = Shape {
        name: "entity",
        properties: Vec::new(),
    };
    SHAPES.get(name).unwrap_or(&NOTHING)
}

/// The properties of one request.
pub(crate) struct Chosen {
    shape: &'static Shape,
    /// Positions in the shape.
    places: Vec<usize>,
    /// Whether the request named them.
    pub(crate) named: bool,
}

impl Shape {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.properties
            .iter()
            .any(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// What a request selects.
    pub(crate) fn choose(&'static self, query: &Query, single: bool) -> Result<Chosen, Failure> {
        let Some(list) = &query.select else {
            return Ok(self.default());
        };
        let mut places = Vec::new();
        for name in list.split(',').map(str::trim) {
            let place = self
                .properties
                .iter()
                .position(|p| p.name.eq_ignore_ascii_case(name))
                .ok_or_else(|| query::unknown_property(name, self.name))?;
            let class = self.properties[place].class;
            if class == Class::Single && !single {
                let message = format!("The property '{name}' is not available on a collection.");
                return Err(Failure::new(501, "NotImplemented", message));
            }
            if class != Class::Never && !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(self.chosen(places, true))
    }

    /// What Graph shows without being asked.
    pub(crate) fn default(&'static self) -> Chosen {
        let default = |(place, p): (usize, &Property)| (p.class == Class::Default).then_some(place);
        let places = self.properties.iter().enumerate().filter_map(default);
        self.chosen(places.collect(), false)
    }

    /// The properties of these names; others are left out.
    pub(crate) fn some<'a>(&'static self, names: impl Iterator<Item = &'a str>) -> Chosen {
        let find = |name: &str| {
            let same = |p: &Property| p.name.eq_ignore_ascii_case(name) && p.class != Class::Never;
            self.properties.iter().position(same)
        };
        self.chosen(names.filter_map(find).collect(), true)
    }

    /// What [`Chosen::bits`] told.
    pub(crate) fn of_bits(&'static self, bits: u64) -> Chosen {
        let all = 0..self.properties.len();
        let shown = |place: &usize| {
            let class = self.properties[*place].class;
            bits & (1 << place) != 0
                && match bits {
                    u64::MAX => class == Class::Default,
                    _ => class != Class::Never,
                }
        };
        self.chosen(all.filter(shown).collect(), bits != u64::MAX)
    }

    fn chosen(&'static self, places: Vec<usize>, named: bool) -> Chosen {
        Chosen {
            shape: self,
            places,
            named,
        }
    }
}

impl Chosen {
    /// The chosen properties of an object; what has no value is null or an empty list.
    pub(crate) fn pick(&self, mut object: Object) -> Object {
        let one = |place: &usize| {
            let property = &self.shape.properties[*place];
            let empty = || {
                if property.list {
                    Value::Array(Vec::new())
                } else {
                    Value::Null
                }
            };
            let value = object.remove(property.name).unwrap_or_else(empty);
            (property.name.to_owned(), value)
        };
        self.places.iter().map(one).collect()
    }

    /// The choice as a set of positions; no shape with a delta has more than 63 properties.
    pub(crate) fn bits(&self) -> u64 {
        self.places.iter().fold(0, |bits, place| bits | 1 << place)
    }

    /// The names as they stand in an `@odata.context`.
    pub(crate) fn names(&self) -> String {
        let name = |place: &usize| self.shape.properties[*place].name;
        self.places.iter().map(name).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_chosen_that_graph_does_not_show() {
        let group = of("group");
        let query = |select: &str| Query {
            select: Some(select.to_owned()),
            ..Query::default()
        };
        let chosen = group.choose(&query("id,assignedLicenses"), false).unwrap();
        let object = chosen.pick(Object::new());
        assert_eq!(
            Value::from(object),
            serde_json::json!({"id": null, "assignedLicenses": []})
        );
        assert!(!group.default().names().contains("assignedLicenses"));
        assert!(group.choose(&query("unseenCount"), false).is_err());
        assert!(group.choose(&query("unseenCount"), true).is_ok());
        assert!(group.choose(&query("nonsense"), true).is_err());
        assert_eq!(of("nothing").default().names(), "");
    }
}
