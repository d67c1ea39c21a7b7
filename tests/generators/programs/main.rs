// Reads lines of JSON with the types that quicktype made, and writes them back.

extern crate serde;
extern crate serde_json;

mod models;

use std::io::BufRead;

fn main() {
    for line in std::io::stdin().lock().lines() {
        let text = line.unwrap();
        match serde_json::from_str::<models::Models>(&text) {
            Ok(read) => println!("{}", serde_json::to_string(&read).unwrap()),
            Err(error) => panic!("{}: {}", text, error),
        }
    }
}
