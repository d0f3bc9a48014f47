//! Numbers as text, where nothing may allocate.

/// A number in decimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: [u8; 20],
    first: usize,
}

impl Decimal {
    /// The digits of `number`, without zeros before them.
    pub fn new(mut number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut first = digits.len() - 1;
        for (place, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (number % 10) as u8;
            first = place;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        Self { digits, first }
    }

    /// The digits, the first one first.
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.first..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_rust_writes_them() {
        for number in [0, 1, 9, 10, 81, 100, 65535, u64::from(u32::MAX), 10_u64.pow(19), u64::MAX] {
            assert_eq!(Decimal::new(number).as_bytes(), number.to_string().as_bytes());
        }
    }
}
