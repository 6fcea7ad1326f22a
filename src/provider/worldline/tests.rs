//! The documents held against the tables. What goes over the wire is tested on the wire.

use super::super::assumption::{hold_section, to_markdown};
use super::*;

#[test]
fn the_documents_say_what_the_tables_say() {
    hold_section("providers/worldline.md", "worldline codes", &codes_to_markdown());
    hold_section("providers/worldline.md", "worldline answers", &answers_to_markdown());
    hold_section("providers/worldline.md", "worldline assumptions", &to_markdown(ASSUMED));
}
