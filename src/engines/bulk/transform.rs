//! The place in the pipeline where documents are changed. [`Identity`] stands there when nothing is to be changed, and
//! copies nothing.

/// A document on its way.
#[derive(Clone, Copy, Debug)]
pub struct DocumentView<'a> {
    /// The index it comes from.
    pub index: &'a str,
    /// `_id`.
    pub id: &'a str,
    /// `_routing`.
    pub routing: Option<&'a str>,
    /// The source: one line of JSON.
    pub source: &'a [u8],
}

/// What becomes of a document.
#[derive(Clone, Copy, Debug)]
pub enum Transformed<'a> {
    /// It is written like this.
    Write(DocumentView<'a>),
    /// A transform leaves it out; counted under its name.
    Drop {
        /// The transform's name.
        by: &'a str,
    },
    /// It can't be changed as asked: goes to the failed documents.
    Fail {
        /// Why.
        reason: &'a str,
    },
}

/// Changes documents one by one. Pure: the same document gives the same result, so that an item can be done again.
pub trait Transform: Send + Sync {
    /// Changes one document; `scratch` is for new bytes and comes empty.
    fn apply<'a>(&'a self, document: DocumentView<'a>, scratch: &'a mut Scratch)
    -> Transformed<'a>;
}

/// Buffers that a transform may fill.
#[derive(Debug, Default)]
pub struct Scratch {
    /// For a new source.
    pub source: Vec<u8>,
    /// For a new id, routing or a reason.
    pub text: String,
}

impl Scratch {
    /// Makes it empty and keeps its memory.
    pub fn clear(&mut self) {
        self.source.clear();
        self.text.clear();
    }
}

/// Changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity;

impl Transform for Identity {
    fn apply<'a>(
        &'a self,
        document: DocumentView<'a>,
        _scratch: &'a mut Scratch,
    ) -> Transformed<'a> {
        Transformed::Write(document)
    }
}
