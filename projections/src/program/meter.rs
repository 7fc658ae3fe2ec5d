//! A bound on what one evaluation of an expression may cost.
//!
//! CEL has no loops but comprehensions, and the library does not count what they do: `[s].map(a, a + a)` doubles a text,
//! a chain of them fills the memory. So each program is rewritten when it is compiled ([`super::expression`]): wherever
//! a value is gone through or copied, a function of this module stands, counts, and ends the evaluation with an error
//! once the count is used up. What is counted depends on the values alone, so an evaluation ends at the same place on
//! every machine.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use cel::common::types::{CelBool, CelBytes, CelList, CelNull, CelString, DYN_TYPE, Kind, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{Env, ExecutionError};

use super::value::{Fields, Key};

/// What one evaluation may cost: elements gone through or copied, and pieces of text.
pub const EVALUATION_STEPS_MAX: u32 = 10_000;

/// Bytes of a text that cost as much as one element.
const TEXT_BYTES_PER_STEP: usize = 32;

/// Function names of the rewritten program. No source can spell them.
pub(super) const EACH: &str = "@each";
pub(super) const COPY: &str = "@copy";
pub(super) const PLUS: &str = "@plus";
pub(super) const MAP: &str = "@map";
pub(super) const HAS: &str = "@has";
pub(super) const DIG: &str = "@dig";

/// What is left of [`EVALUATION_STEPS_MAX`].
#[derive(Debug)]
pub(super) struct Meter(AtomicU32);

impl Meter {
    /// The name by which a rewritten program finds it.
    pub(super) const NAME: &'static str = "@meter";

    pub(super) fn full() -> Self {
        Self(AtomicU32::new(EVALUATION_STEPS_MAX))
    }

    /// Counts what going through, or copying, this value costs.
    fn charge(&self, value: &dyn Val) -> Result<(), ExecutionError> {
        // One evaluation runs on one thread; the atomic is only there because values are shareable.
        let left = self.0.load(Ordering::Relaxed);
        let rest = left.checked_sub(weight(value, left));
        self.0.store(rest.unwrap_or(0), Ordering::Relaxed);
        if rest.is_none() {
            return Err(ExecutionError::function_error(
                "evaluation",
                format!("it would take more than {EVALUATION_STEPS_MAX} steps"),
            ));
        }
        Ok(())
    }
}

/// How many elements a copy of the value has. Not looked at further than `enough`.
fn weight(value: &dyn Val, enough: u32) -> u32 {
    let bytes = |bytes: usize| {
        u32::try_from(bytes / TEXT_BYTES_PER_STEP)
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    };
    if let Some(text) = value.downcast_ref::<CelString>() {
        bytes(text.inner().len())
    } else if let Some(data) = value.downcast_ref::<CelBytes>() {
        bytes(data.inner().len())
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        let mut sum = 1_u32;
        for item in list.inner() {
            if sum > enough {
                break;
            }
            sum = sum.saturating_add(weight(item.as_ref(), enough - sum));
        }
        sum
    } else {
        // Scalars; and objects and maps, whose copy is a pointer.
        1
    }
}

impl Val for Meter {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        static METER: Type = Type::new_unspecified_type("farelog.meter");
        &METER
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self(AtomicU32::new(self.0.load(Ordering::Relaxed))))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Meter {}

/// Declares the functions that rewritten programs call.
pub(super) fn declare(env: &mut Env) -> Result<(), cel::DeclarationError> {
    env.add_overload(EACH, EACH, vec![DYN_TYPE, DYN_TYPE], charged)?;
    env.add_overload(COPY, COPY, vec![DYN_TYPE, DYN_TYPE], charged)?;
    env.add_overload(PLUS, PLUS, vec![DYN_TYPE, DYN_TYPE, DYN_TYPE], plus)?;
    env.add_overload(MAP, MAP, vec![DYN_TYPE], map)?;
    env.add_overload(HAS, HAS, vec![DYN_TYPE, DYN_TYPE], has)?;
    env.add_overload(DIG, DIG, vec![DYN_TYPE, DYN_TYPE], dig)
}

fn take<'b, 'v>(args: &mut Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.pop()
        .ok_or_else(ExecutionError::missing_argument_or_target)
}

fn charge(meter: &CowVal<'_, '_>, value: &CowVal<'_, '_>) -> Result<(), ExecutionError> {
    match meter.downcast_ref::<Meter>() {
        Some(meter) => meter.charge(&**value),
        None => Err(ExecutionError::undeclared_reference(Meter::NAME)),
    }
}

/// `@each(value, meter)` and `@copy(value, meter)`: the value, counted.
fn charged<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let meter = take(&mut args)?;
    let value = take(&mut args)?;
    charge(&meter, &value)?;
    Ok(value)
}

/// `@plus(left, right, meter)`: `left + right`, counted where it copies.
fn plus<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let meter = take(&mut args)?;
    let right = take(&mut args)?;
    let left = take(&mut args)?;
    charge(&meter, &left)?;
    charge(&meter, &right)?;
    let sum = left.as_adder().map(|adder| adder.add(right.as_ref()));
    match sum {
        // The result may borrow from an operand that ends here.
        Some(Ok(sum)) => Ok(CowVal::Owned(sum.into_owned())),
        // The library names the operands by its own values, which this crate's have no counterpart among.
        None | Some(Err(ExecutionError::UnsupportedBinaryOperator(..))) => {
            let types = [&left, &right].map(|value| value.get_type().name().to_owned());
            Err(ExecutionError::no_such_overload("_+_", types.into()))
        }
        Some(Err(error)) => Err(error),
    }
}

/// `@map([key, value, …])`: a map literal as [`Fields`], which can't be iterated.
fn map<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let list = take(&mut args)?;
    let Some(list) = list.downcast_ref::<CelList>() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let mut entries = BTreeMap::new();
    for entry in list.inner().chunks_exact(2) {
        let [key, value] = entry else { continue };
        let Some(key) = Key::of(key.as_ref()) else {
            return Err(ExecutionError::UnexpectedType {
                got: key.get_type().name().to_owned(),
                want: "map key (a string, an int or a bool)".to_owned(),
            });
        };
        if entries.contains_key(&key) {
            return Err(ExecutionError::function_error(
                "map",
                format!("the key {key} stands twice"),
            ));
        }
        entries.insert(key, owned(value.as_ref())?);
    }
    Ok(CowVal::owned(Fields::map("", entries)))
}

/// The value on its own, without what it may borrow from the expression or its variables.
fn owned(value: &dyn Val) -> Result<Box<dyn Val>, ExecutionError> {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return Ok(Box::new(CelString::from(text.inner().to_owned())));
    }
    if let Some(fields) = value.downcast_ref::<Fields>() {
        return Ok(Box::new(fields.clone()));
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        let items: Result<Vec<_>, _> = list
            .inner()
            .iter()
            .map(|item| owned(item.as_ref()))
            .collect();
        return Ok(Box::new(CelList::from(items?)));
    }
    cel::Value::try_from(value)?.try_into()
}

/// `@has(value, "field")`: whether the field is there and not null. Nothing is there in null.
fn has<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let found = dig(args)?;
    Ok(CowVal::owned(CelBool::from(!is_null(found.as_ref()))))
}

/// `@dig(value, "field")`: the field, or null where it is not there; null of null.
fn dig<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    static NULL: CelNull = CelNull;
    let field = take(&mut args)?;
    let value = take(&mut args)?;
    let found = match &value {
        CowVal::Borrowed(value) => value.as_indexer().map(|of| of.get(field.as_ref())),
        CowVal::Owned(value) => value.as_indexer().map(|of| {
            of.get(field.as_ref())
                .map(|found| CowVal::Owned(found.into_owned()))
        }),
    };
    match found {
        Some(Err(ExecutionError::NoSuchKey(_))) => Ok(CowVal::Borrowed(&NULL)),
        Some(found) => found,
        None if is_null(value.as_ref()) => Ok(CowVal::Borrowed(&NULL)),
        None => {
            let types = [&value, &field].map(|value| value.get_type().name().to_owned());
            Err(ExecutionError::no_such_overload("_._", types.into()))
        }
    }
}

fn is_null(value: &dyn Val) -> bool {
    value.get_type().kind() == Kind::NullType
}
