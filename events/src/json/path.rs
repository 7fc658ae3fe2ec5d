//! Places in a JSON value, as errors name them: `travelCard.activate`, `pointDefinitions[0].when`.

use serde_json::Value;

/// A step from a value to one within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'p> {
    /// A field of an object.
    Key(&'p str),
    /// An item of a list.
    Index(usize),
}

/// The steps of a path: `pointDefinitions[0].when` is a key, an index and a key. Those of a field whose name has dots or
/// brackets lead elsewhere; [`text`] then gives another path.
pub fn steps(path: &str) -> Vec<Step<'_>> {
    path.split('.').flat_map(steps_of).collect()
}

fn steps_of(part: &str) -> Vec<Step<'_>> {
    let mut pieces = part.split('[');
    let mut steps = Vec::new();
    if let Some(key) = pieces.next().filter(|key| !key.is_empty()) {
        steps.push(Step::Key(key));
    }
    steps.extend(
        pieces
            .filter_map(|piece| piece.strip_suffix(']')?.parse().ok())
            .map(Step::Index),
    );
    steps
}

/// The path that these steps are.
pub fn text(steps: &[Step<'_>]) -> String {
    steps
        .iter()
        .fold(String::new(), |text, step| match (text.as_str(), step) {
            ("", Step::Key(name)) => (*name).to_owned(),
            (_, Step::Key(name)) => format!("{text}.{name}"),
            (_, Step::Index(index)) => format!("{text}[{index}]"),
        })
}

/// The path of a field within the value at a path.
pub fn within(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The same of a path that may lead to the field already.
pub fn leading_to(path: &str, name: &str) -> String {
    let leads_there = path
        .strip_suffix(name)
        .is_some_and(|parent| parent.is_empty() || parent.ends_with('.'));
    if leads_there {
        path.to_owned()
    } else {
        within(path, name)
    }
}

/// Puts a value at a place, or leaves the field out that is there. `None`: there is no such place, or the path does not say
/// which it is.
pub fn put(whole: &mut Value, path: &str, value: Option<Value>) -> Option<()> {
    let steps = steps(path);
    let (last, parents) = steps.split_last().filter(|_| text(&steps) == path)?;
    let parent = parents.iter().try_fold(whole, |value, step| match step {
        Step::Key(name) => value.get_mut(name),
        Step::Index(index) => value.get_mut(index),
    })?;
    match (parent, last) {
        (Value::Array(items), Step::Index(index)) => *items.get_mut(*index)? = value?,
        (Value::Object(fields), Step::Key(name)) => match value {
            Some(value) => drop(fields.insert((*name).to_owned(), value)),
            None => drop(fields.remove(*name)),
        },
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_its_steps() {
        let path = "pointDefinitions[0].cap.per[2]";
        let of_path = [
            Step::Key("pointDefinitions"),
            Step::Index(0),
            Step::Key("cap"),
            Step::Key("per"),
            Step::Index(2),
        ];
        assert_eq!(steps(path), of_path);
        assert_eq!(text(&of_path), path);
        assert_eq!(steps(""), []);
        assert_eq!(text(&[]), "");
        for elsewhere in ["a[b", "a.", "a[1]b"] {
            assert_ne!(text(&steps(elsewhere)), elsewhere);
        }
    }

    #[test]
    fn a_field_is_named_once() {
        assert_eq!(within("", "a"), "a");
        assert_eq!(within("a", "a"), "a.a");
        assert_eq!(leading_to("", "a"), "a");
        assert_eq!(leading_to("a", "a"), "a");
        assert_eq!(leading_to("b.a", "a"), "b.a");
        assert_eq!(leading_to("ba", "a"), "ba.a");
    }

    /// A field `a[b` that is not known once had the field `a` left out in its place.
    #[test]
    fn a_value_is_put_at_a_place_that_is_there() {
        let mut whole = json!({"a": [{"b": 1}]});
        assert!(put(&mut whole, "a[0].c", Some(json!(2))).is_some());
        assert!(put(&mut whole, "a[0].b", None).is_some());
        for nowhere in ["", "a[1]", "a[1].b", "x.b", "a.b", "[0]", "a[b", "a."] {
            let put = put(&mut whole, nowhere, Some(json!(3)));
            assert!(put.is_none(), "{nowhere}");
        }
        assert!(put(&mut whole, "a[0]", None).is_none());
        assert_eq!(whole, json!({"a": [{"c": 2}]}));
    }
}
