//! Why a step can't be done to a document.

/// What a document is that a step can't be done to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Not to be read.
    #[error("the source is no valid JSON")]
    Malformed,
    /// Deeper than [`super::limits::DEPTH`].
    #[error("the source has more than {} levels", super::limits::DEPTH)]
    Depth,
    /// A field stands where another is to be put.
    #[error("`{0}` is there already")]
    Occupied(String),
    /// A field is to be put into something that is no object.
    #[error("`{0}` is no object, so that no field can be put into it")]
    NoObject(String),
    /// A field that has to stand alone does not.
    #[error(
        "`{0}` stands in a list or more than once, so that it can't be told which one is meant"
    )]
    Several(String),
    /// A value is not what a step is for.
    #[error("`{field}` is {value}, which is {wanted}")]
    Value {
        /// The path.
        field: String,
        /// What is there, shortened.
        value: String,
        /// In words: `no date of the formats …`.
        wanted: String,
    },
}

impl Fault {
    /// Of a value at a path.
    pub(super) fn value(field: &str, value: &[u8], wanted: impl Into<String>) -> Self {
        const SHOWN: usize = 80;
        let text = String::from_utf8_lossy(value);
        let value = match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{} …", &text[..end]),
            None => text.into_owned(),
        };
        Self::Value {
            field: field.to_owned(),
            value,
            wanted: wanted.into(),
        }
    }
}
