//! Filters of a search: any query is refused with a reason, or always finds the same.
#![no_main]

use farelog_projections::search::{Cursor, GroupFilters};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    let mut filters = GroupFilters::default();
    let mut again = GroupFilters::default();
    for pair in query.split('&') {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let before = filters.clone();
        let added = filters.add(name, text);
        assert_eq!(again.add(name, text), added);
        match added {
            Ok(()) => assert_ne!(filters, before, "a filter that is taken filters"),
            Err(refused) => {
                assert!(!refused.to_string().is_empty(), "no reason is told");
                assert_eq!(filters, before, "what is refused leaves nothing behind");
            }
        }
        if let Ok(cursor) = text.parse::<Cursor>() {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }
    assert_eq!(filters, again);
    farelog_fuzz::search(&filters);
});
