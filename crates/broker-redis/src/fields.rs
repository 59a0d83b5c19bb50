//! The fields of an envelope: one byte of id, four of length, and bytes.

use crate::malformed::Malformed;

/// Ids below it are known.
pub(crate) const KNOWN: usize = 10;
/// Fields of one envelope, unknown ones included.
const FIELDS_MAX: usize = 32;
const FIELD_HEAD_BYTES: usize = 5;

/// Appends a field.
pub(crate) fn append(id: u8, bytes: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(bytes.len()).expect("what was published is far below 4 GiB");
    out.push(id);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// One field.
pub(crate) struct Field<'b> {
    /// Which one.
    pub(crate) id: u8,
    /// What it holds.
    pub(crate) bytes: &'b [u8],
    /// The same with its id and length.
    pub(crate) whole: &'b [u8],
}

/// The fields of an envelope, up to the first that is not whole.
pub(crate) fn each_field(mut rest: &[u8]) -> impl Iterator<Item = Field<'_>> + Clone {
    std::iter::from_fn(move || {
        let field = first(rest).ok()??;
        rest = &rest[field.whole.len()..];
        Some(field)
    })
}

fn first(rest: &[u8]) -> Result<Option<Field<'_>>, Malformed> {
    let Some((&[id, a, b, c, d], behind)) = rest.split_first_chunk::<FIELD_HEAD_BYTES>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| Malformed::TooLarge)?;
    let bytes = behind.get(..length).ok_or(Malformed::Truncated)?;
    Ok(Some(Field { id, bytes, whole: &rest[..FIELD_HEAD_BYTES + length] }))
}

/// The known fields of an envelope, by id.
#[derive(Default)]
pub(crate) struct Fields<'b>([Option<&'b [u8]>; KNOWN]);

impl<'b> Fields<'b> {
    /// Takes an envelope apart.
    pub(crate) fn split(mut rest: &'b [u8]) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        for _ in 0..FIELDS_MAX {
            let Some(Field { id, bytes, whole }) = first(rest)? else { break };
            rest = &rest[whole.len()..];
            if let Some(place) = fields.0.get_mut(usize::from(id))
                && place.replace(bytes).is_some()
            {
                return Err(Malformed::Field);
            }
        }
        match rest.len() {
            0 => Ok(fields),
            1..FIELD_HEAD_BYTES => Err(Malformed::Truncated),
            _ => Err(Malformed::TooLarge),
        }
    }

    /// The bytes of a field, if it is there.
    pub(crate) fn known(&self, id: u8) -> Option<&'b [u8]> {
        self.0[usize::from(id)]
    }
}
