//! The documents of a snapshot as the pipeline reads them: the adapter between the `snapshot` and `lucene` engines and
//! [`super::source`].
