//! Quantities with their units in the text: `10m`, `64KiB`; and parts of a whole: `0.01`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, written like `500ms`, `25s`, `10m`, `720h` or `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Period(pub Duration);

/// A size in bytes, written like `512`, `64KiB`, `1MiB` or `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteSize(pub u64);

/// A part of a whole, in millionths, written like `0.01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ratio(u32);

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a length of time.
    #[error("`{0}` is not a duration: write a whole number and ms, s, m, h or d, like `10m`")]
    Period(String),
    /// Not a size.
    #[error("`{0}` is not a size: write a whole number and B, KiB, MiB or GiB, like `64KiB`")]
    ByteSize(String),
    /// Not a part of a whole.
    #[error("`{0}` is not a ratio: write a number from 0 to 1 with at most six decimals, like `0.01`")]
    Ratio(String),
}

const PERIOD_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Period {
    /// A period of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl ByteSize {
    /// A size of whole KiB.
    pub const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// The size as an index type; saturates where memory could not hold it anyway.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Ratio {
    const WHOLE: u32 = 1_000_000;
    const DECIMALS: usize = 6;

    /// The part of 2⁶⁴ numbers from 0 on that this is: its last number, or none for nothing.
    pub fn last_of_all(self) -> Option<u64> {
        let numbers = (u128::from(self.0) << 64) / u128::from(Self::WHOLE);
        u64::try_from(numbers.checked_sub(1)?).ok()
    }
}

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::Ratio(text.to_owned());
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = matches!(whole, "0" | "1")
            && (1..=Self::DECIMALS).contains(&decimals.len())
            && decimals.bytes().all(|byte| byte.is_ascii_digit());
        let digits = format!("{whole}{decimals:0<width$}", width = Self::DECIMALS);
        let millionths = digits.parse().ok().filter(|millionths| is_number && *millionths <= Self::WHOLE);
        millionths.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.0 / Self::WHOLE, self.0 % Self::WHOLE);
        let text = format!("{whole}.{decimals:0width$}", width = Self::DECIMALS);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let millis = if text == "0" { Some(0) } else { quantity(text, &PERIOD_UNITS) };
        millis
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| UnitError::Period(text.to_owned()))
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bytes = text.parse().ok().or_else(|| quantity(text, &SIZE_UNITS));
        bytes.map(Self).ok_or_else(|| UnitError::ByteSize(text.to_owned()))
    }
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|symbol: char| !symbol.is_ascii_digit())?);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write_quantity(f, millis, &PERIOD_UNITS)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_quantity(f, self.0, &SIZE_UNITS)
    }
}

fn write_quantity(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let whole = units.iter().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    match whole {
        Some((unit, factor)) => write!(f, "{}{unit}", value / factor),
        None => f.write_str("0"),
    }
}

macro_rules! text_form {
    ($type:ident, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

text_form!(Period, "^(0|[0-9]+ ?(ms|s|m|h|d))$");
text_form!(ByteSize, "^[0-9]+ ?(B|KiB|MiB|GiB)?$");
text_form!(Ratio, "^(0(\\.[0-9]{1,6})?|1(\\.0{1,6})?)$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_what_they_write() {
        for text in ["500ms", "25s", "10m", "36h", "30d", "0"] {
            assert_eq!(text.parse::<Period>().expect(text).to_string(), text);
        }
        for text in ["1B", "64KiB", "1MiB", "2GiB"] {
            assert_eq!(text.parse::<ByteSize>().expect(text).to_string(), text);
        }
        assert_eq!("65536".parse(), Ok(ByteSize::kib(64)));
    }

    #[test]
    fn a_ratio_is_a_part_of_all_numbers() {
        for (text, written, last) in [
            ("0", "0", None),
            ("0.0", "0", None),
            ("0.5", "0.5", Some(u64::MAX / 2)),
            ("0.010", "0.01", Some(184_467_440_737_095_515)),
            ("0.000001", "0.000001", Some(18_446_744_073_708)),
            ("1.000000", "1", Some(u64::MAX)),
        ] {
            let ratio: Ratio = text.parse().expect(text);
            assert_eq!((ratio.to_string().as_str(), ratio.last_of_all()), (written, last), "{text}");
        }
        for text in ["", "1.1", "2", ".5", "0.", "0.1234567", "1e-3", "-0", "50%", "00", "0.5 "] {
            assert!(text.parse::<Ratio>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_quantity_without_a_unit_we_know_is_refused() {
        for text in ["", "10", "m", "-1s", "1.5h", "10 minutes", "99999999999999999999d"] {
            assert!(text.parse::<Period>().is_err(), "{text:?}");
        }
        for text in ["", "KiB", "64KB", "1.5MiB", "99999999999999999999"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text:?}");
        }
    }
}
