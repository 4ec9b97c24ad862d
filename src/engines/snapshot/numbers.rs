//! Numbers beyond 64 bits as decimal text: SMILE and CBOR write them as bytes, and a document keeps its digits.

use super::limits::{MAX_BIG_NUMBER_BYTES, MAX_DECIMAL_SCALE};

/// A two's-complement big-endian integer as decimal digits. `None` beyond the limit.
pub(crate) fn decimal_of_signed(bytes: &[u8]) -> Option<String> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    if !negative {
        return decimal_of_magnitude(bytes, false);
    }
    let mut magnitude: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
    let mut carry = true;
    for byte in magnitude.iter_mut().rev() {
        if carry {
            (*byte, carry) = byte.overflowing_add(1);
        }
    }
    if carry {
        magnitude.insert(0, 1);
    }
    decimal_of_magnitude(&magnitude, true)
}

/// A big-endian magnitude as decimal digits. `None` beyond the limit: the time taken grows with the square.
pub(crate) fn decimal_of_magnitude(bytes: &[u8], negative: bool) -> Option<String> {
    const GROUP: u64 = 1_000_000_000;
    if bytes.len() > MAX_BIG_NUMBER_BYTES {
        return None;
    }
    // Little-endian groups of nine digits.
    let mut groups = vec![0_u64];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for group in &mut groups {
            let value = *group * 256 + carry;
            *group = value % GROUP;
            carry = value / GROUP;
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let sign = if negative { "-" } else { "" };
    let (first, rest) = groups.split_last()?;
    let rest: Vec<String> = rest
        .iter()
        .rev()
        .map(|group| format!("{group:09}"))
        .collect();
    Some(format!("{sign}{first}{}", rest.concat()))
}

/// `digits × 10^-scale`, as JSON writes it without loss. `None` where the scale is beyond the limit.
pub(crate) fn scaled(digits: &str, scale: i64) -> Option<String> {
    if scale.checked_abs()? > MAX_DECIMAL_SCALE {
        return None;
    }
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits), |rest| ("-", rest));
    if scale == 0 {
        return Some(format!("{sign}{digits}"));
    }
    let Ok(places) = usize::try_from(scale) else {
        return Some(format!("{sign}{digits}E{}", -scale));
    };
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    Some(format!("{sign}{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_numbers_keep_their_digits() {
        assert_eq!(decimal_of_signed(&[]).unwrap(), "0");
        assert_eq!(decimal_of_signed(&[0x00]).unwrap(), "0");
        assert_eq!(decimal_of_signed(&[0xff]).unwrap(), "-1");
        assert_eq!(decimal_of_signed(&[0x80, 0x00]).unwrap(), "-32768");
        let mut bytes = vec![1];
        bytes.extend([0; 12]);
        assert_eq!(
            decimal_of_signed(&bytes).unwrap(),
            "79228162514264337593543950336"
        );
        assert_eq!(decimal_of_signed(&[1; 2000]), None);
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(scaled("12345", 2).unwrap(), "123.45");
        assert_eq!(scaled("-5", 3).unwrap(), "-0.005");
        assert_eq!(scaled("7", -3).unwrap(), "7E3");
        assert_eq!(scaled("7", 0).unwrap(), "7");
        assert_eq!(scaled("7", i64::MIN), None);
        assert_eq!(scaled("7", 1 << 40), None);
    }
}
