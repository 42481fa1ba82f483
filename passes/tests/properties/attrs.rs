//! Random attribute values for an op whose first operand is known.

use crate::choices::Choices;
use lathe_ir::op::AttrDef;
use lathe_ir::{Attr, AttrKind, DType, Dim, OpCode, TensorType};

/// A value for an attribute; `before` are the values of those that stand before it.
pub(crate) fn value_of(
    choices: &mut Choices,
    code: OpCode,
    attr: &AttrDef,
    x: Option<&TensorType>,
    before: &[Attr],
) -> Option<Attr> {
    if let Some(default) = attr.default
        && choices.once_in(3)
    {
        return Some(default());
    }
    let rank = x.map_or(0, TensorType::rank);
    let shape: Vec<Dim> = x.map(|ty| ty.shape.to_vec()).unwrap_or_default();
    let spatial = rank.saturating_sub(2);
    Some(match (code.name(), attr.name) {
        ("transpose", "perm") => Attr::ints(&permutation(choices, rank)),
        ("reshape", "shape") => Attr::dims(reshaped(choices, &shape)),
        ("broadcast", "shape") => {
            let widened = shape.iter().map(|dim| if dim.is(1) { crate::terms::dim(choices) } else { dim.clone() });
            let widened: Vec<Dim> = widened.collect();
            let more: Vec<Dim> = (0..choices.below(3)).map(|_| crate::terms::dim(choices)).collect();
            Attr::dims(more.into_iter().chain(widened))
        }
        ("slice", "starts") => Attr::dims(shape.iter().map(|dim| match dim.as_const() {
            Some(size) if choices.once_in(2) => Dim::from(choices.below(size.max(1) as usize) as i64),
            _ => Dim::ZERO,
        })),
        ("slice", "sizes") => {
            let Some(Attr::Dims(starts)) = before.first() else { return None };
            let room = shape.iter().zip(starts).map(|(dim, start)| dim - start);
            Attr::dims(room.map(|room| match room.as_const() {
                Some(room) if choices.once_in(3) => Dim::from(choices.below(room.max(0) as usize + 1) as i64),
                _ => room,
            }))
        }
        ("slice", "steps") => Attr::ints(&vec![1; rank]),
        ("pad", "before" | "after") => Attr::dims(
            shape.iter().map(|_| Dim::from(if choices.once_in(3) { 1 + choices.below(2) as i64 } else { 0 })),
        ),
        ("resize", "sizes") => Attr::dims(shape.iter().map(|dim| match dim.as_const() {
            Some(size) if !choices.once_in(2) => Dim::from(size),
            _ => Dim::from(1 + choices.below(5) as i64),
        })),
        ("resize", "scale_bits") => Attr::ints(&[]),
        ("conv" | "max_pool" | "avg_pool", "strides" | "dilations") => {
            Attr::ints(&(0..spatial).map(|_| 1 + choices.below(2) as i64).collect::<Vec<_>>())
        }
        ("conv" | "max_pool" | "avg_pool", "pads_before" | "pads_after") => {
            Attr::ints(&(0..spatial).map(|_| choices.below(2) as i64).collect::<Vec<_>>())
        }
        ("max_pool" | "avg_pool", "kernel") => {
            Attr::ints(&(0..spatial).map(|_| 1 + choices.below(3) as i64).collect::<Vec<_>>())
        }
        ("conv", "groups") => {
            let channels = shape.last().and_then(Dim::as_const).unwrap_or(1);
            Attr::Int(choices.pick(&[1, 1, channels]))
        }
        (_, "axis") => Attr::Int(if choices.once_in(2) { rank as i64 - 1 } else { choices.below(rank) as i64 }),
        (_, "axes") => {
            let first = choices.below(rank);
            let trailing = choices.once_in(2);
            Attr::ints(
                &(first..rank)
                    .filter(|&axis| trailing || axis == first || choices.once_in(2))
                    .map(|axis| axis as i64)
                    .collect::<Vec<_>>(),
            )
        }
        (_, "keepdims") => Attr::Bool(!choices.once_in(6)),
        (_, "cubic_a") => Attr::float(choices.pick(&[-0.75, -0.5])),
        (_, "eps") => Attr::float(choices.pick(&[1e-5, 1e-6, 0.1, 1e-12])),
        _ => of_kind(choices, attr.kind)?,
    })
}

fn of_kind(choices: &mut Choices, kind: AttrKind) -> Option<Attr> {
    let floats = [
        f64::NEG_INFINITY,
        -1.5,
        -1.0,
        0.0,
        0.5,
        1.0,
        6.0,
        f64::INFINITY,
        0.16666666666666666,
        0.1666666716337204,
        0.2,
    ];
    let types =
        [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I32, DType::I64, DType::U8, DType::I8, DType::Bool];
    Some(match kind {
        AttrKind::Int => Attr::Int(choices.below(3) as i64),
        AttrKind::Float => Attr::float(choices.pick(&floats)),
        AttrKind::Bool => Attr::Bool(choices.once_in(2)),
        AttrKind::Str(words) => Attr::str(words[choices.below(words.len())]),
        AttrKind::DType => Attr::DType(choices.pick(&types)),
        AttrKind::Ints | AttrKind::Dims | AttrKind::Constant | AttrKind::Text => return None,
    })
}

fn permutation(choices: &mut Choices, rank: usize) -> Vec<i64> {
    let mut perm: Vec<i64> = (0..rank as i64).collect();
    match choices.below(4) {
        0 if rank >= 2 => perm.swap(rank - 1, rank - 2),
        1 if rank >= 3 => perm[1..].rotate_left(1),
        _ => {
            for at in 1..rank {
                perm.swap(at, choices.below(at + 1));
            }
        }
    }
    perm
}

/// A shape of the same number of elements: axes merged, split, added and dropped.
pub(crate) fn reshaped(choices: &mut Choices, shape: &[Dim]) -> Vec<Dim> {
    let mut shape = shape.to_vec();
    for _ in 0..choices.pick(&[0, 1, 1, 2]) {
        let at = choices.below(shape.len());
        match choices.below(5) {
            0 => shape.insert(choices.below(shape.len() + 1), Dim::ONE),
            1 if shape.get(at).is_some_and(|dim| dim.is(1)) => {
                shape.remove(at);
            }
            2 if at + 1 < shape.len() => {
                let next = shape.remove(at + 1);
                shape[at] = &shape[at] * &next;
            }
            3 => match shape.get(at).and_then(Dim::as_const) {
                Some(size) if size > 2 && size % 2 == 0 => {
                    shape[at] = Dim::from(2);
                    shape.insert(at + 1, Dim::from(size / 2));
                }
                _ => {}
            },
            4 if choices.once_in(3) => shape = vec![Dim::product_of(&shape)],
            _ => {}
        }
    }
    shape
}
