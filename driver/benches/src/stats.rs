//! Medians.

use serde::Serialize;

/// What the rounds came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one.
    pub median: f64,
    /// A quarter of the rounds lies below this.
    pub low: f64,
    /// And a quarter above this.
    pub high: f64,
    /// How many there were.
    pub rounds: usize,
}

impl Summary {
    /// Of these numbers; of none it is zeros.
    pub fn of(numbers: &[f64]) -> Self {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| match sorted.len() {
            0 => 0.0,
            n => {
                let place = share * (n - 1) as f64;
                let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
                below + (above - below) * place.fract()
            }
        };
        Self { median: at(0.5), low: at(0.25), high: at(0.75), rounds: sorted.len() }
    }

    /// Of a single measurement.
    pub fn single(number: f64) -> Self {
        Self::of(&[number])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_middle_half() {
        let s = Summary::of(&[5.0, 1.0, 2.0, 4.0, 3.0]);
        assert_eq!((s.median, s.low, s.high, s.rounds), (3.0, 2.0, 4.0, 5));
        let s = Summary::of(&[1.0, 2.0]);
        assert_eq!((s.median, s.low, s.high), (1.5, 1.25, 1.75));
        assert_eq!(Summary::single(7.0).median, 7.0);
        assert_eq!(Summary::of(&[]), Summary { median: 0.0, low: 0.0, high: 0.0, rounds: 0 });
    }
}
