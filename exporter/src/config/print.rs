//! The effective configuration as YAML.

use std::fmt::Write as _;

use super::visit::{Check, Section, Value, Visitor};

/// Writes a section and all below it.
pub(super) fn print<S: Section>(section: &mut S) -> String {
    let mut printer = Printer {
        out: String::new(),
        indent: 0,
        item: false,
    };
    section.visit(&mut printer);
    printer.out
}

struct Printer {
    out: String,
    indent: usize,
    /// The next line starts an item of a list.
    item: bool,
}

impl Printer {
    fn line(&mut self, text: &str) {
        let indent = " ".repeat(self.indent);
        if std::mem::take(&mut self.item) {
            let indent = indent.strip_suffix("  ").unwrap_or(&indent);
            let _ = writeln!(self.out, "{indent}- {text}");
        } else {
            let _ = writeln!(self.out, "{indent}{text}");
        }
    }

    fn below(&mut self, write: impl FnOnce(&mut Self)) {
        self.indent += 2;
        write(self);
        self.indent -= 2;
    }
}

impl Visitor for Printer {
    fn scalar<T: Value>(&mut self, key: &'static str, value: &mut T, _: Check<T>) {
        self.line(&format!("{key}: {}", value.to_text()));
    }

    fn scalars<T: Value>(&mut self, key: &'static str, values: &mut Vec<T>, _: Check<T>) {
        let texts: Vec<_> = values.iter().map(Value::to_text).collect();
        if texts.iter().map(String::len).sum::<usize>() < 60 {
            return self.line(&format!("{key}: [{}]", texts.join(", ")));
        }
        self.line(&format!("{key}:"));
        self.below(|p| texts.iter().for_each(|text| p.line(&format!("- {text}"))));
    }

    fn pairs<T: Value>(&mut self, key: &'static str, pairs: &mut Vec<(String, T)>, _: Check<T>) {
        if pairs.is_empty() {
            return self.line(&format!("{key}: {{}}"));
        }
        self.line(&format!("{key}:"));
        self.below(|p| {
            for (name, value) in pairs {
                p.line(&format!("{}: {}", name.to_text(), value.to_text()));
            }
        });
    }

    fn values(
        &mut self,
        key: &'static str,
        values: &mut Vec<(String, Vec<String>)>,
        _: Check<String>,
    ) {
        if values.is_empty() {
            return self.line(&format!("{key}: {{}}"));
        }
        self.line(&format!("{key}:"));
        self.below(|p| {
            for (name, values) in values {
                let texts: Vec<_> = values.iter().map(Value::to_text).collect();
                let texts = match &texts[..] {
                    [one] => one.clone(),
                    several => format!("[{}]", several.join(", ")),
                };
                p.line(&format!("{}: {texts}", name.to_text()));
            }
        });
    }

    fn section<S: Section>(&mut self, key: &'static str, section: &mut S) {
        self.line(&format!("{key}:"));
        self.below(|p| section.visit(p));
    }

    fn sections<S: Section + Default>(
        &mut self,
        key: &'static str,
        sections: &mut Vec<S>,
        _: &'static [&'static str],
    ) {
        if sections.is_empty() {
            return self.line(&format!("{key}: []"));
        }
        self.line(&format!("{key}:"));
        self.below(|p| {
            p.below(|p| {
                for section in sections {
                    p.item = true;
                    section.visit(p);
                }
            });
        });
    }
}
