//! The names that expressions see, with the fields that section 1 of the domain gives them.
//!
//! This is the one list of them: the check of a publication follows it, and what it does not name stands under `extra`.

/// What is known about a value before anything runs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// An object with these fields and no others.
    Object(&'static Object),
    /// A list of these.
    List(&'static Shape),
    /// A map with keys that are only known when it runs.
    Map,
    /// The program's tables.
    Tables,
    /// A text, a number, a bool, a timestamp.
    Scalar,
    /// Anything.
    Any,
}

/// An object with a fixed set of fields.
#[derive(Debug)]
pub(super) struct Object {
    /// What a person calls it.
    pub(super) name: &'static str,
    fields: &'static [(&'static str, Shape)],
}

impl Object {
    /// The shape of a field, if the object has it.
    pub(super) fn field(&self, name: &str) -> Option<Shape> {
        let (_, shape) = self.fields.iter().find(|(known, _)| *known == name)?;
        Some(*shape)
    }

    /// Its fields, in the order in which they are told.
    pub(super) fn field_names(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|(name, _)| *name)
    }

    /// Whether a field of an event's data is seen as a field of this object, and not under `extra`.
    pub(super) fn names(&self, field: &str) -> bool {
        field != EXTRA && self.field(field).is_some()
    }
}

/// Where the fields of an event's data stand that no object names.
pub(super) const EXTRA: &str = "extra";

/// The shape of a name, if expressions see something by it.
pub(super) fn of_name(name: &str) -> Option<Shape> {
    let (_, shape) = NAMES.iter().find(|(known, _)| *known == name)?;
    Some(*shape)
}

static NAMES: &[(&str, Shape)] = &[
    ("order", Shape::Object(&ORDER)),
    ("line", Shape::Object(&LINE)),
    ("trigger", Shape::Object(&TRIGGER)),
    ("member", Shape::Object(&MEMBER)),
    ("program", Shape::Object(&PROGRAM)),
    ("tables", Shape::Tables),
];

pub(super) static ORDER: Object = Object {
    name: "order",
    fields: &[
        ("orderId", Shape::Scalar),
        ("orderVersion", Shape::Scalar),
        ("organisationId", Shape::Scalar),
        ("distributionChannelId", Shape::Scalar),
        ("pos", Shape::Scalar),
        ("customerId", Shape::Scalar),
        ("currency", Shape::Scalar),
        (EXTRA, Shape::Map),
    ],
};

pub(super) static LINE: Object = Object {
    name: "line",
    fields: &[
        ("orderId", Shape::Scalar),
        ("orderVersion", Shape::Scalar),
        ("orderLineId", Shape::Scalar),
        ("orderLineVersion", Shape::Scalar),
        ("fareProducts", Shape::List(&Shape::Object(&PRODUCT))),
        ("price", Shape::Object(&PRICE)),
        ("userType", Shape::Scalar),
        ("customerId", Shape::Scalar),
        ("travellers", Shape::Any),
        ("validity", Shape::Object(&VALIDITY)),
        ("travel", Shape::Object(&TRAVEL)),
        ("distributionDetails", Shape::Object(&DISTRIBUTION)),
        (EXTRA, Shape::Map),
    ],
};

pub(super) static PRODUCT: Object = Object {
    name: "a fare product",
    fields: &[
        ("id", Shape::Scalar),
        ("type", Shape::Scalar),
        ("name", Shape::Scalar),
        ("main", Shape::Scalar),
        (EXTRA, Shape::Map),
    ],
};

static PRICE: Object = Object {
    name: "line.price",
    fields: &[
        ("amount", Shape::Scalar),
        ("currency", Shape::Scalar),
        ("minorUnits", Shape::Scalar),
    ],
};

static VALIDITY: Object = Object {
    name: "line.validity",
    fields: &[("start", Shape::Scalar), ("end", Shape::Scalar)],
};

pub(super) static TRAVEL: Object = Object {
    name: "line.travel",
    fields: &[
        ("fromStopPlace", Shape::Scalar),
        ("toStopPlace", Shape::Scalar),
        ("departureTime", Shape::Scalar),
        (EXTRA, Shape::Map),
    ],
};

pub(super) static DISTRIBUTION: Object = Object {
    name: "line.distributionDetails",
    fields: &[
        ("fulfillmentMethod", Shape::Scalar),
        ("customerAccountRef", Shape::Scalar),
        ("distributionHolderCustomerId", Shape::Scalar),
        (EXTRA, Shape::Map),
    ],
};

static TRIGGER: Object = Object {
    name: "trigger",
    fields: &[("type", Shape::Scalar), ("time", Shape::Scalar)],
};

static MEMBER: Object = Object {
    name: "member",
    fields: &[
        ("customerId", Shape::Scalar),
        ("externalReference", Shape::Scalar),
        ("metadata", Shape::Map),
    ],
};

static PROGRAM: Object = Object {
    name: "program",
    fields: &[
        ("id", Shape::Scalar),
        ("reference", Shape::Scalar),
        ("name", Shape::Scalar),
        ("preset", Shape::Scalar),
        ("organisationId", Shape::Scalar),
        ("organisationsWithAccess", Shape::List(&Shape::Scalar)),
        ("active", Shape::Scalar),
        ("timezone", Shape::Scalar),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::TriggerKind;
    use crate::program::CompiledProgram;
    use crate::program::names::ProgramScope;
    use crate::program::sample::Sample;
    use crate::program::value::Fields;

    /// Asserts that a value has the fields of its shape, and no others, all the way down.
    fn assert_shape(path: &str, shape: Shape, value: &dyn cel::common::value::Val) {
        use cel::common::types::CelList;
        match shape {
            Shape::Object(object) => {
                let fields = value.downcast_ref::<Fields>().unwrap();
                let mut names = fields.names();
                let mut known: Vec<&str> = object.field_names().collect();
                names.sort_unstable();
                known.sort_unstable();
                assert_eq!(names, known, "{path}");
                for name in known {
                    let value = fields.named(name).unwrap();
                    assert_shape(
                        &format!("{path}.{name}"),
                        object.field(name).unwrap(),
                        value,
                    );
                }
            }
            Shape::List(element) => {
                let list = value.downcast_ref::<CelList>().unwrap();
                for value in list.inner() {
                    assert_shape(&format!("{path}[]"), *element, value.as_ref());
                }
            }
            Shape::Map | Shape::Tables => {
                assert!(value.downcast_ref::<Fields>().is_some(), "{path}");
            }
            Shape::Scalar => assert!(value.as_indexer().is_none(), "{path}"),
            Shape::Any => {}
        }
    }

    #[test]
    fn what_expressions_see_has_the_fields_that_the_check_knows() {
        let document = "id = 1\nreference = \"a\"\nname = \"A\"\norganisationId = 1\norganisationsWithAccess = [1]";
        let program = CompiledProgram::from_toml(document).unwrap().program;
        let (sample, program) = (Sample::new(), ProgramScope::new(&program));
        let names = sample.names(&program, TriggerKind::LineConfirmed);
        for (name, shape) in NAMES {
            assert_shape(name, *shape, names.value(name).unwrap());
        }
    }
}
