//! MongoDB extended JSON: lenient reader, relaxed writer.

mod base64;
mod constructor;
mod date;
mod extended;
mod lexer;
mod reader;
mod writer;

pub use reader::json_to_bson;
pub use writer::bson_to_json;
