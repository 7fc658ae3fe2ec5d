//! Codes about a place in a program's document (domain, section 2): the `code` in the `errors` of a refused program.

use super::codes;

codes! { PROGRAM_CODES;
    SYNTAX = "syntax", None, "The document can't be read",
        "The document is not well-formed TOML or JSON.",
        "Correct it at the line and column that `message` names.";
    MISSING_FIELD = "missing-field", None, "A field of the program is missing",
        "A program needs this field.",
        "Add the field to the document.";
    INVALID_VALUE = "invalid-value", None, "A value does not fit",
        "The field's value is not of its kind, out of range, or does not go with another field.",
        "Correct it as `message` says.";
    DUPLICATE = "duplicate", None, "An id or a reference is taken",
        "The id or reference stands twice in the document, or belongs to another program.",
        "Choose one that no other has.";
    EXPRESSION_SYNTAX = "expression-syntax", None, "An expression is not CEL",
        "The expression does not compile as Common Expression Language.",
        "Correct it at the place that `message` names.";
    UNKNOWN_NAME = "unknown-name", None, "An expression names what does not exist",
        "Expressions know `order`, `line`, `trigger`, `member`, `program` and `tables`, and their fields.",
        "Look for a misspelling; unknown fields of an event stand under `extra`.";
    WRONG_TYPE = "wrong-type", None, "An expression has the wrong type",
        "The expression's value is not of the type that its place needs, or an operator in it does not take its \
         operands, for example an int times a double.",
        "Convert with double(), int() or string(), or write the number in the other form.";
    MAP_COMPREHENSION = "map-comprehension", None, "An expression goes through a map",
        "A comprehension over a map goes through it in random order, so its result could differ between rebuilds.",
        "Use a list, or look the key up directly.";
}
