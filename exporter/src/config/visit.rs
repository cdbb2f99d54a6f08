//! One description of the schema, for reading it, printing it and suggesting its keys.
//!
//! A section names its keys once, in [`Section::visit`]; what happens to them is the visitor's affair.

/// A mapping with fixed keys.
pub(super) trait Section {
    /// Shows every key to the visitor, in the order of `config.yaml`.
    fn visit<V: Visitor>(&mut self, v: &mut V);
}

/// A value, which is a scalar or a list or mapping of scalars.
pub(super) trait Value: Sized {
    /// What to write there, for errors: "a port from 1 to 65535".
    fn expected() -> String;

    /// From the text of a scalar; `quoted` means that only a text will do.
    fn from_text(text: &str, quoted: bool) -> Result<Self, String>;

    /// The text of a scalar that reads as this value.
    fn to_text(&self) -> String;
}

/// What may be wrong with a value of the right type: a range, a form.
pub(super) type Check<T> = fn(&T) -> Result<(), String>;

/// Something that is done to every key.
pub(super) trait Visitor {
    /// A scalar.
    fn scalar<T: Value>(&mut self, key: &'static str, value: &mut T, check: Check<T>);

    /// A list of scalars; the check is for each of them.
    fn scalars<T: Value>(&mut self, key: &'static str, values: &mut Vec<T>, check: Check<T>);

    /// A mapping from free names to scalars.
    fn pairs<T: Value>(&mut self, key: &'static str, pairs: &mut Vec<(String, T)>, check: Check<T>);

    /// A mapping from free names to one text or a list of them; the check is for each of them.
    fn values(
        &mut self,
        key: &'static str,
        values: &mut Vec<(String, Vec<String>)>,
        check: Check<String>,
    );

    /// A section below this one.
    fn section<S: Section>(&mut self, key: &'static str, section: &mut S);

    /// A list of sections. `required` names keys that each of them must have.
    fn sections<S: Section + Default>(
        &mut self,
        key: &'static str,
        sections: &mut Vec<S>,
        required: &'static [&'static str],
    );
}

/// A check that passes everything.
pub(super) fn any<T>(_: &T) -> Result<(), String> {
    Ok(())
}
