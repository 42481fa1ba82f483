//! Attributes of a node, resolved: references to a function's attributes are replaced by the caller's values.

use std::collections::BTreeMap;

use crate::onnx::attribute::attribute_kind;
use crate::onnx::error::quote;
use crate::onnx::proto::{AttributeProto, AttributeType, GraphProto, TensorProto};

use super::values::{R, invalid, unsupported};

/// The value of an attribute.
#[derive(Clone, Debug)]
pub(super) enum AttrValue<'a> {
    Int(i64),
    Float(f32),
    Str(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Strs(Vec<String>),
    Tensor(&'a TensorProto),
    Graph(&'a GraphProto),
    /// A kind that no supported operator uses.
    Other(AttributeType),
}

/// Attributes by name.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeAttrs<'a>(BTreeMap<&'a str, AttrValue<'a>>);

impl<'a> NodeAttrs<'a> {
    /// Reads the attributes of a node; `outer` are the attributes of the function call that is being expanded.
    pub(super) fn read(list: &'a [AttributeProto], outer: Option<&NodeAttrs<'a>>) -> R<NodeAttrs<'a>> {
        let mut attrs = NodeAttrs::default();
        for attribute in list {
            let value = if attribute.ref_attr_name.is_empty() {
                Some(value_of(attribute)?)
            } else {
                outer.and_then(|outer| outer.0.get(attribute.ref_attr_name.as_str()).cloned())
            };
            if let Some(value) = value {
                attrs.0.insert(&attribute.name, value);
            }
        }
        Ok(attrs)
    }

    /// The value of that name.
    pub(super) fn get(&self, name: &str) -> Option<&AttrValue<'a>> {
        self.0.get(name)
    }

    /// Takes the value of that name out.
    pub(super) fn remove(&mut self, name: &str) -> Option<AttrValue<'a>> {
        self.0.remove(name)
    }

    /// Sets a value.
    pub(super) fn set(&mut self, name: &'static str, value: AttrValue<'a>) {
        self.0.insert(name, value);
    }

    /// Sets a value unless there is one.
    pub(super) fn set_default(&mut self, name: &'a str, value: AttrValue<'a>) {
        self.0.entry(name).or_insert(value);
    }

    /// The names in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.0.keys().copied()
    }

    /// The attributes as text for a message, cut where they get long.
    pub(super) fn describe(&self) -> String {
        let shown: Vec<String> =
            self.0.iter().take(12).map(|(name, value)| format!("{} = {}", plain(name), value.describe())).collect();
        let more = if self.0.len() > 12 { ", .." } else { "" };
        format!("{}{more}", shown.join(", "))
    }

    /// An integer, if it is there.
    pub(super) fn int(&self, name: &str) -> R<Option<i64>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttrValue::Int(value)) => Ok(Some(*value)),
            Some(other) => wrong(name, other, "an integer"),
        }
    }

    /// A float, if it is there.
    pub(super) fn float(&self, name: &str) -> R<Option<f64>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttrValue::Float(value)) => Ok(Some(f64::from(*value))),
            Some(other) => wrong(name, other, "a float"),
        }
    }

    /// A list of integers, if it is there.
    pub(super) fn ints(&self, name: &str) -> R<Option<&[i64]>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttrValue::Ints(values)) => Ok(Some(values)),
            Some(other) => wrong(name, other, "a list of integers"),
        }
    }

    /// A list of floats, if it is there.
    pub(super) fn floats(&self, name: &str) -> R<Option<&[f32]>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttrValue::Floats(values)) => Ok(Some(values)),
            Some(other) => wrong(name, other, "a list of floats"),
        }
    }

    /// A word, if it is there.
    pub(super) fn word(&self, name: &str) -> R<Option<&str>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttrValue::Str(value)) => Ok(Some(value)),
            Some(other) => wrong(name, other, "a string"),
        }
    }

    /// A list of words, if it is there.
    pub(super) fn words(&self, name: &str) -> R<Option<&[String]>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttrValue::Strs(words)) => Ok(Some(words)),
            Some(other) => wrong(name, other, "a list of strings"),
        }
    }

    /// A tensor, if it is there.
    pub(super) fn tensor(&self, name: &str) -> R<Option<&'a TensorProto>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttrValue::Tensor(value)) => Ok(Some(value)),
            Some(other) => wrong(name, other, "a tensor"),
        }
    }

    /// A graph, if it is there.
    pub(super) fn graph(&self, name: &str) -> R<Option<&'a GraphProto>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(AttrValue::Graph(value)) => Ok(Some(value)),
            Some(other) => wrong(name, other, "a graph"),
        }
    }
}

fn wrong<T>(name: &str, have: &AttrValue<'_>, want: &str) -> R<T> {
    invalid(format!("attribute {name} = {} is not {want}", have.describe()))
}

fn plain(name: &str) -> String {
    let quoted = quote(name);
    match quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => inner.to_owned(),
        _ => quoted,
    }
}

impl AttrValue<'_> {
    fn describe(&self) -> String {
        fn list<T: std::fmt::Debug>(values: &[T]) -> String {
            if values.len() <= 8 { format!("{values:?}") } else { format!("[{} values]", values.len()) }
        }
        match self {
            AttrValue::Int(value) => value.to_string(),
            AttrValue::Float(value) => format!("{value:?}"),
            AttrValue::Str(value) => quote(value),
            AttrValue::Ints(values) => list(values),
            AttrValue::Floats(values) => list(values),
            AttrValue::Strs(words) => format!("[{} strings]", words.len()),
            AttrValue::Tensor(tensor) => format!("tensor of {} axes", tensor.dims.len()),
            AttrValue::Graph(graph) => format!("graph of {} nodes", graph.node.len()),
            AttrValue::Other(kind) => format!("{kind:?}"),
        }
    }
}

fn value_of(attribute: &AttributeProto) -> R<AttrValue<'_>> {
    let kind = match attribute_kind(attribute) {
        Ok(kind) => kind,
        Err(message) => return invalid(format!("attribute {} {message}", quote(&attribute.name))),
    };
    Ok(match kind {
        AttributeType::Int => AttrValue::Int(attribute.i.unwrap_or(0)),
        AttributeType::Float => AttrValue::Float(attribute.f.unwrap_or(0.0)),
        AttributeType::String => match std::str::from_utf8(attribute.s.as_deref().unwrap_or_default()) {
            Ok(word) => AttrValue::Str(word.to_owned()),
            Err(_) => return unsupported(format!("attribute {} is not UTF-8", quote(&attribute.name))),
        },
        AttributeType::Ints => AttrValue::Ints(attribute.ints.clone()),
        AttributeType::Floats => AttrValue::Floats(attribute.floats.clone()),
        AttributeType::Strings => {
            let words = attribute.strings.iter().map(|word| String::from_utf8(word.to_vec()));
            match words.collect::<Result<Vec<_>, _>>() {
                Ok(words) => AttrValue::Strs(words),
                Err(_) => return unsupported(format!("attribute {} is not UTF-8", quote(&attribute.name))),
            }
        }
        AttributeType::Tensor => match attribute.t.as_deref() {
            Some(tensor) => AttrValue::Tensor(tensor),
            None => return invalid(format!("attribute {} has no tensor", quote(&attribute.name))),
        },
        AttributeType::Graph => match attribute.g.as_deref() {
            Some(graph) => AttrValue::Graph(graph),
            None => return invalid(format!("attribute {} has no graph", quote(&attribute.name))),
        },
        other => AttrValue::Other(other),
    })
}
