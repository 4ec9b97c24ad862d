//! The JSON of one document, of the values that were found for it.

use super::recipe::Recipe;
use super::values::{FieldValue, Unfit, json_text};

/// Why a document can't be rebuilt.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A value is not what the mapping says the field is.
    #[error("field {field} holds a value that does not fit its mapping")]
    Unfit {
        /// Dotted path.
        field: String,
    },
    /// The source that is stored has a list of objects where the field was taken out of them.
    #[error(
        "what its stored source lacks belongs into lists of objects, and nothing says into which of them"
    )]
    Entangled,
    /// The document had a value that was not indexed.
    #[error("its value of {field} was not indexed (too long or malformed), so it is nowhere")]
    Ignored {
        /// Dotted path.
        field: String,
    },
}

/// Gathers the values of one document; reused for the next.
#[derive(Debug)]
pub struct Builder<'r> {
    recipe: &'r Recipe,
    /// For each field of the recipe, the JSON of its values with commas between, and how many.
    values: Vec<(String, usize)>,
    out: String,
}

impl<'r> Builder<'r> {
    /// With no values.
    pub fn new(recipe: &'r Recipe) -> Self {
        Self {
            recipe,
            values: vec![(String::new(), 0); recipe.fields.len()],
            out: String::new(),
        }
    }

    /// Forgets the values of the document before.
    pub fn clear(&mut self) {
        for (text, count) in &mut self.values {
            text.clear();
            *count = 0;
        }
    }

    /// A doc value of field number `field` of [`Recipe::places`].
    pub fn doc_value(&mut self, field: usize, value: FieldValue<'_>) -> Result<(), RenderError> {
        self.add(field, |kind, out| kind.write(value, out))
    }

    /// A stored value of field number `field` of [`Recipe::places`].
    pub fn stored(&mut self, field: usize, value: FieldValue<'_>) -> Result<(), RenderError> {
        self.add(field, |kind, out| kind.write_stored(value, out).map(|()| 1))
    }

    fn add(
        &mut self,
        field: usize,
        write: impl FnOnce(&super::Kind, &mut String) -> Result<usize, Unfit>,
    ) -> Result<(), RenderError> {
        let place = self
            .recipe
            .fields
            .get(field)
            .zip(self.values.get_mut(field));
        let Some((field, (text, count))) = place else {
            return Ok(());
        };
        let before = text.len();
        if *count > 0 {
            text.push(',');
        }
        match write(&field.kind, text) {
            Ok(added) => {
                if added == 0 {
                    text.truncate(before);
                }
                *count += added;
                Ok(())
            }
            Err(Unfit) => Err(RenderError::Unfit {
                field: field.path.join("."),
            }),
        }
    }

    /// The document as one line of JSON.
    pub fn finish(&mut self) -> &str {
        self.finish_with(|_| true)
    }

    /// The same of the fields alone whose path `wanted` takes.
    pub(super) fn finish_with(&mut self, wanted: impl Fn(&[String]) -> bool) -> &str {
        let out = &mut self.out;
        out.clear();
        out.push('{');
        let mut open: &[String] = &[];
        let mut first = true;
        for (field, (text, count)) in self.recipe.fields.iter().zip(&self.values) {
            if *count == 0 || !wanted(&field.path) {
                continue;
            }
            let Some((name, parents)) = field.path.split_last() else {
                continue;
            };
            let shared = open
                .iter()
                .zip(parents)
                .take_while(|(left, right)| left == right);
            let shared = shared.count();
            for _ in shared..open.len() {
                out.push('}');
                first = false;
            }
            for parent in &parents[shared..] {
                comma(&mut first, out);
                json_text(parent, out);
                out.push_str(":{");
                first = true;
            }
            open = parents;
            comma(&mut first, out);
            json_text(name, out);
            out.push(':');
            if *count > 1 {
                out.push('[');
            }
            out.push_str(text);
            if *count > 1 {
                out.push(']');
            }
        }
        for _ in open {
            out.push('}');
        }
        out.push('}');
        out
    }
}

fn comma(first: &mut bool, out: &mut String) {
    if !*first {
        out.push(',');
    }
    *first = false;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::recipe::Origin;
    use super::*;

    #[test]
    fn objects_are_opened_and_closed_around_their_fields() {
        let mapping = json!({ "properties": {
            "a": { "properties": {
                "b": { "properties": { "x": { "type": "long" }, "y": { "type": "keyword" } } },
                "c": { "type": "boolean" },
            } },
            "d": { "type": "keyword" },
            "e.f": { "type": "double" },
        } });
        let origin = Origin {
            doc_values: true,
            ..Origin::default()
        };
        let recipe = Recipe::of(&mapping, origin);
        let number = |name: &str| {
            let at = recipe
                .fields
                .iter()
                .position(|field| field.path.join(".") == name);
            at.unwrap()
        };
        let mut builder = Builder::new(&recipe);
        assert_eq!(builder.finish(), "{}");
        builder
            .doc_value(number("a.b.x"), FieldValue::Sortable(1))
            .unwrap();
        builder
            .doc_value(number("a.b.x"), FieldValue::Sortable(2))
            .unwrap();
        builder
            .doc_value(number("a.b.y"), FieldValue::Bytes(b"q"))
            .unwrap();
        builder
            .doc_value(number("a.c"), FieldValue::Sortable(1))
            .unwrap();
        builder
            .doc_value(number("d"), FieldValue::Bytes(b"\""))
            .unwrap();
        builder
            .stored(number("e.f"), FieldValue::Double(0.5))
            .unwrap();
        let text = builder.finish().to_owned();
        assert_eq!(
            text,
            r#"{"a":{"b":{"x":[1,2],"y":"q"},"c":true},"d":"\"","e":{"f":0.5}}"#
        );
        builder.clear();
        builder
            .stored(number("e.f"), FieldValue::Double(0.5))
            .unwrap();
        assert_eq!(builder.finish(), r#"{"e":{"f":0.5}}"#);
        let unfit = builder.doc_value(number("a.c"), FieldValue::Sortable(7));
        assert_eq!(
            unfit,
            Err(RenderError::Unfit {
                field: "a.c".into()
            })
        );
    }
}
