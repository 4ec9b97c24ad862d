//! `s3://bucket/prefix`, with what a plain address can say about the server behind it.
//!
//! Deliberately absent: credentials, which an address never holds.

/// A place in a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Uri {
    /// The bucket.
    pub bucket: String,
    /// Where in the bucket, without `/` at its ends; `""` is the whole bucket.
    pub prefix: String,
    /// `?endpoint=`: another server than AWS.
    pub endpoint: Option<String>,
    /// `?region=`
    pub region: Option<String>,
    /// `?path-style=`: whether the bucket stands in the path and not in the name of the host.
    pub path_style: Option<bool>,
}

impl S3Uri {
    /// Takes an address apart. The error says what is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("s3://")
            .ok_or("does not begin with `s3://`")?;
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let plain =
            |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
        if bucket.is_empty() || !bucket.chars().all(plain) {
            return Err("names no bucket".to_owned());
        }
        let prefix = prefix.trim_matches('/');
        let leads_out = |part: &str| part == "." || part == "..";
        if prefix.contains(['\\', '\0', '#']) || prefix.split('/').any(leads_out) {
            return Err("has a prefix that is no plain path".to_owned());
        }
        let mut uri = Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            ..Self::default()
        };
        for pair in query.unwrap_or_default().split('&') {
            match pair.split_once('=') {
                None if pair.is_empty() => {}
                Some(("endpoint", value)) => uri.endpoint = Some(value.to_owned()),
                Some(("region", value)) => uri.region = Some(value.to_owned()),
                Some(("path-style", "true")) => uri.path_style = Some(true),
                Some(("path-style", "false")) => uri.path_style = Some(false),
                _ => {
                    let name = pair.split('=').next().unwrap_or_default();
                    return Err(format!(
                        "has `?{}`, and may have `endpoint=URL`, `region=NAME` and `path-style=true` or `false`",
                        name.escape_debug()
                    ));
                }
            }
        }
        Ok(uri)
    }

    /// `s3://bucket/prefix`, without what is said of the server.
    pub fn place(&self) -> String {
        if self.prefix.is_empty() {
            format!("s3://{}", self.bucket)
        } else {
            format!("s3://{}/{}", self.bucket, self.prefix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let uri = S3Uri::parse("s3://acme/a/b/").unwrap();
        assert_eq!((uri.bucket.as_str(), uri.prefix.as_str()), ("acme", "a/b"));
        assert_eq!(uri.place(), "s3://acme/a/b");
        let uri = S3Uri::parse("s3://acme?endpoint=http://127.0.0.1:9000&path-style=true").unwrap();
        assert_eq!(uri.prefix, "");
        assert_eq!(uri.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(uri.path_style, Some(true));
        assert_eq!(uri.place(), "s3://acme");
        for bad in [
            "s3://",
            "s3:///a",
            "https://acme/a",
            "s3://acme/../b",
            "s3://a b/c",
            "s3://acme/a?endpont=x",
            "s3://acme/a?path-style=yes",
        ] {
            assert!(S3Uri::parse(bad).is_err(), "{bad}");
        }
    }
}
