//! Values that expressions see, beside those that the CEL library brings.
//!
//! Every object and map is a [`Fields`]: unlike the library's maps it can't be iterated, so that no result depends on
//! the order of its keys (domain, section 2), and a copy of it is a pointer.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Sizer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelNull, CelString, CelTimestamp, CelUInt, MAP_TYPE, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};
use chrono::{DateTime, Datelike, Utc};
use farelog_events::json::JsonText;
use serde_json::Value as Json;

use super::schema::Object;

/// A value of an expression, on its own.
pub(super) type Owned = Box<dyn Val>;

/// A key of a map. Numbers are one kind, so that `{1: "a"}[1u]` finds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// `true` or `false`.
    Bool(bool),
    /// Any whole number.
    Number(i128),
    /// A text.
    Text(Box<str>),
}

impl Key {
    pub(super) fn of(value: &dyn Val) -> Option<Self> {
        if let Some(text) = value.downcast_ref::<CelString>() {
            Some(Self::Text(text.inner().into()))
        } else if let Some(number) = value.downcast_ref::<CelInt>() {
            Some(Self::Number((*number.inner()).into()))
        } else if let Some(number) = value.downcast_ref::<CelUInt>() {
            Some(Self::Number((*number.inner()).into()))
        } else {
            let is = value.downcast_ref::<CelBool>()?;
            Some(Self::Bool(*is.inner()))
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(is) => is.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => fmt::Debug::fmt(text, f),
        }
    }
}

/// An object or a map: fields by key, behind a shared pointer.
#[derive(Debug, Clone)]
pub(super) struct Fields(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What expressions call it, for errors; empty for one that has no name.
    name: Cow<'static, str>,
    content: Content,
    /// Whether a key that is not there gives null: where publishers write what they like, every name could be a field.
    absent_is_null: bool,
}

#[derive(Debug)]
enum Content {
    /// A few fields of a known object.
    Object(Vec<(&'static str, Owned)>),
    /// Any keys.
    Map(BTreeMap<Key, Owned>),
    /// The fields of a JSON object that the schema of `of` does not name; read when it is first asked for one.
    Rest {
        json: JsonText,
        path: Vec<Step>,
        of: &'static Object,
        read: OnceLock<BTreeMap<Key, Owned>>,
    },
}

/// A step from a JSON value to one within it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A field of an object.
    Field(&'static str),
    /// An element of an array.
    Index(usize),
}

impl Fields {
    /// A known object.
    pub(super) fn object(name: &'static str, fields: Vec<(&'static str, Owned)>) -> Self {
        Self::new(name, Content::Object(fields), false)
    }

    /// A map with any keys.
    pub(super) fn map(name: impl Into<Cow<'static, str>>, entries: BTreeMap<Key, Owned>) -> Self {
        Self::new(name, Content::Map(entries), false)
    }

    /// What a publisher keeps in a form of its own: any name is a field of it, and an absent one null. On samples, where
    /// nothing is known of it, an absent one is an error.
    pub(super) fn open(name: &'static str, entries: BTreeMap<Key, Owned>, is_sample: bool) -> Self {
        Self::new(name, Content::Map(entries), !is_sample)
    }

    /// What a JSON object has beside the fields of `of`, [`open`](Self::open). The object stands at `path` in `json`.
    pub(super) fn rest(
        name: &'static str,
        json: JsonText,
        path: Vec<Step>,
        of: &'static Object,
        is_sample: bool,
    ) -> Self {
        let read = OnceLock::new();
        let content = Content::Rest {
            json,
            path,
            of,
            read,
        };
        Self::new(name, content, !is_sample)
    }

    fn new(name: impl Into<Cow<'static, str>>, content: Content, absent_is_null: bool) -> Self {
        Self(Arc::new(Inner {
            name: name.into(),
            content,
            absent_is_null,
        }))
    }

    fn entries(&self) -> Option<&BTreeMap<Key, Owned>> {
        match &self.0.content {
            Content::Map(entries) => Some(entries),
            Content::Rest {
                json,
                path,
                of,
                read,
            } => Some(read.get_or_init(|| read_rest(json.get(), path, of))),
            Content::Object(_) => None,
        }
    }

    fn find(&self, key: &dyn Val) -> Option<&(dyn Val + 'static)> {
        match &self.0.content {
            Content::Object(fields) => {
                let name = key.downcast_ref::<CelString>()?.inner();
                let (_, value) = fields.iter().find(|(field, _)| *field == name)?;
                Some(value.as_ref())
            }
            Content::Map(_) | Content::Rest { .. } => {
                Some(self.entries()?.get(&Key::of(key)?)?.as_ref())
            }
        }
    }

    /// The fields by name; `None` where a key is no text.
    pub(super) fn by_name(&self) -> Option<Vec<(&str, &dyn Val)>> {
        if let Content::Object(fields) = &self.0.content {
            let fields = fields.iter().map(|(name, value)| (*name, value.as_ref()));
            return Some(fields.collect());
        }
        self.entries()?
            .iter()
            .map(|(key, value)| match key {
                Key::Text(name) => Some((&**name, value.as_ref())),
                Key::Bool(_) | Key::Number(_) => None,
            })
            .collect()
    }

    /// The names of a known object's fields.
    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<&'static str> {
        match &self.0.content {
            Content::Object(fields) => fields.iter().map(|(name, _)| *name).collect(),
            Content::Map(_) | Content::Rest { .. } => Vec::new(),
        }
    }

    /// The value of a known object's field.
    #[cfg(test)]
    pub(super) fn named(&self, name: &str) -> Option<&(dyn Val + 'static)> {
        self.find(text(name).as_ref())
    }

    fn len(&self) -> usize {
        match &self.0.content {
            Content::Object(fields) => fields.len(),
            _ => self.entries().map_or(0, BTreeMap::len),
        }
    }
}

fn read_rest(json: &str, path: &[Step], of: &Object) -> BTreeMap<Key, Owned> {
    let Ok(mut value) = serde_json::from_str::<Json>(json) else {
        return BTreeMap::new();
    };
    for step in path {
        let inner = match *step {
            Step::Field(name) => value.get_mut(name),
            Step::Index(index) => value.get_mut(index),
        };
        value = inner.map(Json::take).unwrap_or_default();
    }
    let Json::Object(object) = value else {
        return BTreeMap::new();
    };
    object
        .iter()
        .filter(|(name, _)| !of.names(name))
        .map(|(name, value)| (Key::Text(name.as_str().into()), from_json("", value)))
        .collect()
}

impl Val for Fields {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let Some(other) = other.downcast_ref::<Self>() else {
            return false;
        };
        if Arc::ptr_eq(&self.0, &other.0) {
            return true;
        }
        match (&self.0.content, &other.0.content) {
            (Content::Object(a), Content::Object(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b)
                        .all(|((name, a), (other, b))| name == other && a.equals(b.as_ref()))
            }
            _ => match (self.entries(), other.entries()) {
                (Some(a), Some(b)) => {
                    a.len() == b.len()
                        && a.iter()
                            .zip(b)
                            .all(|((key, a), (other, b))| key == other && a.equals(b.as_ref()))
                }
                _ => false,
            },
        }
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Fields {}

impl Container for Fields {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(key).is_some())
    }
}

static NULL: CelNull = CelNull;

impl Indexer for Fields {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        if let Some(value) = self.find(key) {
            return Ok(CowVal::Borrowed(value));
        }
        match Key::of(key) {
            Some(_) if self.0.absent_is_null => Ok(CowVal::Borrowed(&NULL)),
            Some(key) => Err(ExecutionError::no_such_key(&format!(
                "{}[{key}]",
                self.0.name
            ))),
            None => Err(ExecutionError::UnexpectedType {
                got: key.get_type().name().to_owned(),
                want: "map key".to_owned(),
            }),
        }
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

impl Sizer for Fields {
    fn size(&self) -> CelInt {
        i64::try_from(self.len()).unwrap_or(i64::MAX).into()
    }
}

/// The value of a JSON value; `name` is what expressions call it.
pub(super) fn from_json(name: &'static str, json: &Json) -> Owned {
    match json {
        Json::Null => Box::new(CelNull),
        Json::Bool(is) => Box::new(CelBool::from(*is)),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Box::new(CelInt::from(number)),
            (_, Some(number), _) => Box::new(CelUInt::from(number)),
            (_, _, number) => Box::new(CelDouble::from(number.unwrap_or(f64::NAN))),
        },
        Json::String(text) => Box::new(CelString::from(text.clone())),
        Json::Array(items) => {
            let items: Vec<Owned> = items.iter().map(|item| from_json("", item)).collect();
            Box::new(CelList::from(items))
        }
        Json::Object(object) => Box::new(Fields::open(name, entries_from_json(object), false)),
    }
}

/// The entries of a JSON object.
pub(super) fn entries_from_json(object: &serde_json::Map<String, Json>) -> BTreeMap<Key, Owned> {
    object
        .iter()
        .map(|(name, value)| (Key::Text(name.as_str().into()), from_json("", value)))
        .collect()
}

/// A text.
pub(super) fn text(text: &str) -> Owned {
    Box::new(CelString::from(text.to_owned()))
}

/// A whole number.
pub(super) fn int(number: i64) -> Owned {
    Box::new(CelInt::from(number))
}

/// What is there, or null.
pub(super) fn or_null<T>(value: Option<T>, to_value: impl FnOnce(T) -> Owned) -> Owned {
    value.map_or_else(|| Box::new(CelNull) as Owned, to_value)
}

/// A time. One outside of the years 1 to 9999, which CEL's timestamps end at, is null: arithmetic on it could pass the
/// calendar's own end.
pub(super) fn time(time: DateTime<Utc>) -> Owned {
    if (1..=9999).contains(&time.year()) {
        Box::new(CelTimestamp::from(time.fixed_offset()))
    } else {
        Box::new(CelNull)
    }
}
