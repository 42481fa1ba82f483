//! Attributes: the kind an attribute says it has, and the value it carries, must agree.

use super::proto::{AttributeProto, AttributeType};

/// Kinds of value present in an attribute, in tag order.
fn present(attribute: &AttributeProto) -> impl Iterator<Item = AttributeType> {
    use AttributeType as T;
    let a = attribute;
    [
        (T::Float, a.f.is_some()),
        (T::Int, a.i.is_some()),
        (T::String, a.s.is_some()),
        (T::Tensor, a.t.is_some()),
        (T::Graph, a.g.is_some()),
        (T::Floats, !a.floats.is_empty()),
        (T::Ints, !a.ints.is_empty()),
        (T::Strings, !a.strings.is_empty()),
        (T::Tensors, !a.tensors.is_empty()),
        (T::Graphs, !a.graphs.is_empty()),
        (T::TypeProto, a.tp.is_some()),
        (T::TypeProtos, !a.type_protos.is_empty()),
        (T::SparseTensor, a.sparse_tensor.is_some()),
        (T::SparseTensors, !a.sparse_tensors.is_empty()),
    ]
    .into_iter()
    .filter_map(|(kind, there)| there.then_some(kind))
}

/// The kind of an attribute; for files of IR version 1, which do not say it, the kind of the one value present.
/// The error is a message without the attribute's name.
pub fn attribute_kind(attribute: &AttributeProto) -> Result<AttributeType, String> {
    let said = AttributeType::try_from(attribute.r#type)
        .map_err(|_| format!("has kind {}, which does not exist", attribute.r#type))?;
    let mut found = present(attribute);
    let first = found.next();
    if let (Some(first), Some(second)) = (first, found.next()) {
        return Err(format!("has two values, {first:?} and {second:?}"));
    }
    if !attribute.ref_attr_name.is_empty() {
        return match first {
            Some(kind) => Err(format!("refers to a function's attribute and has a value of its own, {kind:?}")),
            None => Ok(said),
        };
    }
    match (said, first) {
        (AttributeType::Undefined, Some(kind)) => Ok(kind),
        (AttributeType::Undefined, None) => Err("has neither kind nor value".into()),
        (said, Some(kind)) if said == kind => Ok(said),
        (said, Some(kind)) => Err(format!("says it is {said:?}, but its value is {kind:?}")),
        // Writers of protobuf 3 leave out zeros, empty strings and empty lists.
        (
            AttributeType::Tensor | AttributeType::Graph | AttributeType::TypeProto | AttributeType::SparseTensor,
            None,
        ) => Err(format!("says it is {said:?}, but has no value")),
        (said, None) => Ok(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_values_must_agree() {
        let of = |kind: AttributeType| AttributeProto { r#type: kind as i32, ..Default::default() };
        let int = AttributeProto { i: Some(3), ..of(AttributeType::Int) };
        assert_eq!(attribute_kind(&int), Ok(AttributeType::Int));
        assert_eq!(attribute_kind(&AttributeProto { r#type: 0, ..int.clone() }), Ok(AttributeType::Int));
        assert_eq!(attribute_kind(&of(AttributeType::Ints)), Ok(AttributeType::Ints));
        assert_eq!(attribute_kind(&of(AttributeType::Float)), Ok(AttributeType::Float));
        for wrong in [
            AttributeProto { r#type: AttributeType::Float as i32, ..int.clone() },
            AttributeProto { f: Some(0.0), ..int.clone() },
            AttributeProto { ref_attr_name: "x".into(), ..int.clone() },
            AttributeProto { r#type: 99, ..int },
            of(AttributeType::Graph),
            of(AttributeType::Undefined),
        ] {
            assert!(attribute_kind(&wrong).is_err(), "{wrong:?}");
        }
    }
}
