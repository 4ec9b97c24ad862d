//! The documents of an answer as slices of it, so that `_source` is compared byte for byte as the server sent it.
//!
//! Servers pass a JSON `_source` through as it was stored: with its spaces, line breaks and (7.10 takes them) comments, so an
//! answer need not be strict JSON. This scanner steps over values by their brackets and strings and checks nothing else.
//! Deliberately absent: a tree, and any reading of a `_source`.

use std::borrow::Cow;

/// What stands behind a document of a search that was sorted: where `_source` ends, whatever follows its object.
const BEHIND_SOURCE: &[u8] = b",\"sort\":[";

/// A document of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hit<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) routing: Option<Cow<'a, str>>,
    pub(super) version: Option<i64>,
    /// As stored; `None` where the index keeps none.
    pub(super) source: Option<&'a [u8]>,
    /// Of `_mget`: whether there is one.
    pub(super) found: bool,
    /// Of `_mget`: why nobody knows whether there is one, as the server says it.
    pub(super) error: Option<&'a [u8]>,
}

/// An answer of `_search` or a scroll.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page<'a> {
    pub(super) scroll: Option<Cow<'a, str>>,
    pub(super) timed_out: bool,
    pub(super) failed_shards: u64,
    /// Documents in all; given with the first page and all that follow.
    pub(super) total: Option<u64>,
    pub(super) hits: Vec<Hit<'a>>,
}

/// Reads an answer of `_search`; `None` where it is none.
pub(super) fn page(answer: &[u8]) -> Option<Page<'_>> {
    let mut page = Page::default();
    let mut scan = Scan {
        bytes: answer,
        at: 0,
    };
    let mut whole = false;
    scan.object(&mut |scan, key| {
        match key {
            b"_scroll_id" => page.scroll = Some(scan.text()?),
            b"timed_out" => page.timed_out = scan.value()? == b"true",
            b"_shards" => scan.object(&mut |scan, key| {
                let value = scan.value()?;
                if key == b"failed" {
                    page.failed_shards = number(value)?;
                }
                Some(())
            })?,
            b"hits" => {
                whole = true;
                scan.object(&mut |scan, key| {
                    match key {
                        // A number before Elasticsearch 7.
                        b"total" if !scan.is_object() => page.total = Some(number(scan.value()?)?),
                        b"total" => scan.object(&mut |scan, key| {
                            let value = scan.value()?;
                            if key == b"value" {
                                page.total = Some(number(value)?);
                            }
                            Some(())
                        })?,
                        b"hits" => scan.array(&mut |scan| {
                            page.hits.push(scan.hit(BEHIND_SOURCE)?);
                            Some(())
                        })?,
                        _ => drop(scan.value()?),
                    }
                    Some(())
                })?;
            }
            _ => drop(scan.value()?),
        }
        Some(())
    })?;
    whole.then_some(page)
}

/// Reads an answer of `_mget`, in the order of the request; `None` where it is none.
pub(super) fn fetched(answer: &[u8]) -> Option<Vec<Hit<'_>>> {
    let mut hits = None;
    let mut scan = Scan {
        bytes: answer,
        at: 0,
    };
    scan.object(&mut |scan, key| {
        if key != b"docs" {
            scan.value()?;
            return Some(());
        }
        let mut found = Vec::new();
        scan.array(&mut |scan| {
            found.push(scan.hit(b"}")?);
            Some(())
        })?;
        hits = Some(found);
        Some(())
    })?;
    hits
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

type EachMember<'f, 'a> = &'f mut dyn FnMut(&mut Scan<'a>, &'a [u8]) -> Option<()>;

impl<'a> Scan<'a> {
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn is_object(&mut self) -> bool {
        self.space();
        self.bytes.get(self.at) == Some(&b'{')
    }

    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn object(&mut self, each: EachMember<'_, 'a>) -> Option<()> {
        self.take(b'{').then_some(())?;
        if self.take(b'}') {
            return Some(());
        }
        loop {
            self.space();
            let quoted = self.string()?;
            self.take(b':').then_some(())?;
            each(self, &quoted[1..quoted.len() - 1])?;
            if !self.take(b',') {
                return self.take(b'}').then_some(());
            }
        }
    }

    fn array(&mut self, each: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[').then_some(())?;
        if self.take(b']') {
            return Some(());
        }
        loop {
            each(self)?;
            if !self.take(b',') {
                return self.take(b']').then_some(());
            }
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        (self.bytes.get(start) == Some(&b'"')).then_some(())?;
        let mut at = start + 1;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.bytes.get(at..)?)?;
            if self.bytes[at] == b'"' {
                self.at = at + 1;
                return Some(&self.bytes[start..self.at]);
            }
            at += 2;
        }
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        let value = self.value()?;
        let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if memchr::memchr(b'\\', inner).is_none() {
            return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
        }
        serde_json::from_slice(value).ok().map(Cow::Owned)
    }

    /// Any value, without the spaces around it.
    fn value(&mut self) -> Option<&'a [u8]> {
        self.space();
        let start = self.at;
        match self.bytes.get(start)? {
            b'"' => return self.string(),
            b'{' | b'[' => self.brackets()?,
            _ => {
                while !matches!(
                    self.bytes.get(self.at)?,
                    b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'
                ) {
                    self.at += 1;
                }
            }
        }
        Some(&self.bytes[start..self.at])
    }

    /// Steps over an object or an array, comments in it too.
    fn brackets(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'/' => {
                    self.comment()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Steps over a comment, or over the one byte where it is none.
    fn comment(&mut self) -> Option<()> {
        let rest = &self.bytes[self.at..];
        self.at += match rest.get(1)? {
            b'*' => memchr::memmem::find(rest, b"*/")? + 2,
            b'/' => memchr::memchr2(b'\n', b'\r', rest)? + 1,
            _ => 1,
        };
        Some(())
    }

    fn hit(&mut self, behind_source: &[u8]) -> Option<Hit<'a>> {
        let mut hit = Hit::default();
        self.object(&mut |scan, key| {
            match key {
                b"_id" => hit.id = scan.text()?,
                b"_routing" => hit.routing = Some(scan.text()?),
                b"_version" => hit.version = Some(number(scan.value()?)?),
                b"error" => hit.error = Some(scan.value()?),
                b"found" => hit.found = scan.value()? == b"true",
                b"_source" => hit.source = Some(scan.source(behind_source)?),
                _ => drop(scan.value()?),
            }
            Some(())
        })?;
        Some(hit)
    }

    /// What was stored: spaces and comments around the object belong to it.
    fn source(&mut self, behind: &[u8]) -> Option<&'a [u8]> {
        let start = self.at;
        loop {
            self.space();
            match self.bytes.get(self.at)? {
                b'/' => self.comment()?,
                b'{' => break,
                // A byte order mark.
                0xef | 0xbb | 0xbf => self.at += 1,
                _ => return None,
            }
        }
        self.brackets()?;
        self.at += memchr::memmem::find(&self.bytes[self.at..], behind)?;
        Some(&self.bytes[start..self.at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the three servers that `mig` is tried with answer it.
    #[test]
    fn a_source_is_taken_as_it_was_stored() {
        let stored = " { \"b\" : 9007199254740993,\n\t\"a\": -0.0, \"s\":\"\\u00e9\\/}\\\"]\", \"n\":[{\"x\":1}] /* c } */ } // end\n";
        let answer = format!(
            "{{\"_scroll_id\":\"abc==\",\"took\":5,\"timed_out\":false,\"_shards\":{{\"total\":1,\"failed\":0}},\"hits\":{{\"total\":{{\"value\":2,\
             \"relation\":\"eq\"}},\"max_score\":null,\"hits\":[{{\"_index\":\"x\",\"_id\":\"\\\"q\\\\\",\"_version\":77,\"_score\":null,\"_routing\":\"r\",\
             \"_source\":{stored},\"sort\":[2]}},{{\"_index\":\"x\",\"_id\":\"b\",\"_version\":1,\"_score\":null,\"sort\":[3]}}]}}}}"
        );
        let page = page(answer.as_bytes()).unwrap();
        assert_eq!(page.scroll.as_deref(), Some("abc=="));
        assert_eq!((page.total, page.failed_shards), (Some(2), 0));
        assert_eq!(page.hits.len(), 2);
        assert_eq!(page.hits[0].id, "\"q\\");
        assert_eq!(page.hits[0].routing.as_deref(), Some("r"));
        assert_eq!(page.hits[0].version, Some(77));
        assert_eq!(page.hits[0].source, Some(stored.as_bytes()));
        assert_eq!(page.hits[1].source, None);
        for cut in 0..answer.len() {
            assert_eq!(super::page(&answer.as_bytes()[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn documents_by_id_are_told_from_absent_ones() {
        let answer = br#"{"docs":[{"_index":"x","_id":"a","_version":3,"_routing":"r","found":true,"_source": {"a":[1]} },{"_index":"x","_id":"z","found":false},{"_index":"x","_id":"y","error":{"type":"no_shard_available_action_exception"}}]}"#;
        let found = fetched(answer).unwrap();
        assert_eq!(found[0].source, Some(&b" {\"a\":[1]} "[..]));
        assert!(found[0].found && !found[1].found);
        assert_eq!((found[0].error, found[1].error), (None, None));
        assert!(found[2].error.is_some(), "a shard that starts");
        assert_eq!(fetched(b"{\"error\":{}}"), None);
    }
}
