//! The figures of a run beside their goals.

use std::cell::RefCell;
use std::time::Duration;

/// Criterion warms up first: the last samples are the ones it measures itself.
const MEASURED_SAMPLES: usize = 10;

#[derive(Debug)]
struct Figure {
    name: String,
    best: String,
    median: String,
    goal: String,
}

/// The rows measured so far.
#[derive(Debug, Default)]
pub(crate) struct Figures(RefCell<Vec<Figure>>);

/// Times of one benchmark, one per sample.
#[derive(Debug, Default)]
pub(crate) struct Samples(RefCell<Vec<f64>>);

impl Samples {
    /// Notes a sample of `count` operations.
    pub(crate) fn add(&self, took: Duration, count: u64) {
        self.0.borrow_mut().push(took.as_secs_f64() / count as f64);
    }

    /// Best and median of the samples that were measured, in seconds an operation; `None` when
    /// the row was not asked for.
    pub(crate) fn summary(&self) -> Option<(f64, f64)> {
        let samples = self.0.borrow();
        let mut measured = samples.iter().rev().take(MEASURED_SAMPLES).copied().collect::<Vec<_>>();
        measured.sort_by(f64::total_cmp);
        Some((*measured.first()?, *measured.get(measured.len() / 2)?))
    }
}

impl Figures {
    /// Adds a row of text.
    pub(crate) fn add(&self, name: &str, best: String, median: String, goal: &str) {
        let (name, goal) = (name.to_owned(), goal.to_owned());
        self.0.borrow_mut().push(Figure { name, best, median, goal });
    }

    /// Adds a row that has one figure.
    pub(crate) fn add_one(&self, name: &str, figure: String, goal: &str) {
        self.add(name, String::new(), figure, goal);
    }

    /// Adds a row of times, in µs.
    pub(crate) fn add_micros(&self, name: &str, samples: &Samples, goal: &str) {
        if let Some((best, median)) = samples.summary() {
            self.add(name, micros(best), micros(median), goal);
        }
    }

    pub(crate) fn print(&self) {
        let figures = self.0.borrow();
        println!("\n{:<58} {:>16} {:>16}  goal", "", "best", "median");
        for Figure { name, best, median, goal } in figures.iter() {
            println!("{name:<58} {best:>16} {median:>16}  {goal}");
        }
    }
}

pub(crate) fn micros(seconds: f64) -> String {
    format!("{:.2} µs", seconds * 1e6)
}
