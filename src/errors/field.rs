//! Codes about one field, parameter or header: the `code` in a validation error's `errors`.

use super::codes;

codes! { FIELD_CODES;
    FIELD_MISSING = "missing", None, "A required field is missing",
        "The operation can't be done without this field, parameter or header.",
        "Add it; /openapi.json says what it means.";
    FIELD_MALFORMED = "malformed", None, "A field is malformed",
        "The field is there, but its value can't be read as what the field stands for.",
        "Write the value as `message` says.";
    FIELD_OUT_OF_RANGE = "out-of-range", None, "A value is out of range",
        "The value can be read, but it lies outside the limits of this field.",
        "Stay within the limits that `message` names.";
    FIELD_UNKNOWN = "unknown-field", None, "A field is not known",
        "The operation has no parameter or field of this name. It is refused, since a misspelt filter or option that \
         is silently ignored gives wrong answers.",
        "Look for a misspelling (names are case-sensitive), or leave the field out.";
    FIELD_REPEATED = "repeated", None, "A parameter is given more than once",
        "The parameter takes one value and was given several.",
        "Give the parameter once.";
}
