//! The long keys that share their first 1,900 bytes: a list in ascending order of the rest.
//!
//! ```text
//! per entry: rest length u32 LE | value length u32 LE | rest | value
//! ```

/// The entries of a bucket in ascending order.
pub(super) fn entries(bucket: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut tail = bucket;
    std::iter::from_fn(move || {
        let (rest_len, after) = tail.split_first_chunk::<4>()?;
        let (value_len, after) = after.split_first_chunk::<4>()?;
        let (rest, after) = after.split_at_checked(u32::from_le_bytes(*rest_len) as usize)?;
        let (value, after) = after.split_at_checked(u32::from_le_bytes(*value_len) as usize)?;
        tail = after;
        Some((rest, value))
    })
}

pub(super) fn find<'t>(bucket: &'t [u8], rest: &[u8]) -> Option<&'t [u8]> {
    entries(bucket).find(|(at, _)| *at == rest).map(|(_, value)| value)
}

/// The bucket with `rest` set to `value`, or absent when that is `None`.
pub(super) fn replace(bucket: &[u8], rest: &[u8], value: Option<&[u8]>) -> Vec<u8> {
    let mut edited = Vec::with_capacity(bucket.len() + rest.len() + 8);
    entries(bucket).filter(|(at, _)| *at < rest).for_each(|entry| push(&mut edited, entry));
    if let Some(value) = value {
        push(&mut edited, (rest, value));
    }
    entries(bucket).filter(|(at, _)| *at > rest).for_each(|entry| push(&mut edited, entry));
    edited
}

/// The bucket without the entries in `[low, high)`; `None` has no upper bound.
pub(super) fn without(bucket: &[u8], low: &[u8], high: Option<&[u8]>) -> Vec<u8> {
    let mut edited = Vec::with_capacity(bucket.len());
    let inside = |rest: &[u8]| rest >= low && high.is_none_or(|high| rest < high);
    entries(bucket).filter(|(rest, _)| !inside(rest)).for_each(|entry| push(&mut edited, entry));
    edited
}

fn push(bucket: &mut Vec<u8>, (rest, value): (&[u8], &[u8])) {
    // Keys and values are bounded by the store's limits, far below 4 GiB.
    bucket.extend_from_slice(&(rest.len() as u32).to_le_bytes());
    bucket.extend_from_slice(&(value.len() as u32).to_le_bytes());
    bucket.extend_from_slice(rest);
    bucket.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_its_entries_in_order() {
        let mut bucket = Vec::new();
        for rest in [&b"m"[..], b"", b"z", b"a", b"m"] {
            bucket = replace(&bucket, rest, Some(rest));
        }
        let order: Vec<_> = entries(&bucket).map(|(rest, _)| rest.to_vec()).collect();
        assert_eq!(order, [&b""[..], b"a", b"m", b"z"]);
        assert_eq!(find(&bucket, b"m"), Some(&b"m"[..]));
        bucket = replace(&bucket, b"m", None);
        assert_eq!(find(&bucket, b"m"), None);
        bucket = without(&bucket, b"a", Some(b"z"));
        assert_eq!(entries(&bucket).count(), 2);
        assert!(without(&bucket, b"", None).is_empty());
    }
}
