//! Parameters in the query of a URL.

use percent_encoding::percent_decode_str;

/// The first value of `name` in a query, form-decoded. `None` if it is absent or empty.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let (_, value) = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
    let spaced = value.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8_lossy().into_owned();
    (!decoded.is_empty()).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn parameters_are_decoded_as_forms_are() {
        let query = "CMCD=x&after=films%2Fa+b%2Bc&limit=&after=second";
        assert_eq!(parameter(query, "after"), Some("films/a b+c".into()));
        assert_eq!(parameter(query, "limit"), None);
        assert_eq!(parameter("", "after"), None);
    }
}
