//! TfIdfVectorizer on integers: how often each n-gram of a pool occurs in each row, with gaps up to a limit.

use lathe_ir::{Attr, DType, Dim, OpCode, Tensor};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::constant::filled;
use super::slice::take_axis;

/// Comparisons that are written out: one for each gap and element of each length.
const MAX_STEPS: usize = 1 << 14;

/// N-grams of one length: the number of the first one in the pool, their elements one after the other.
struct Grams {
    length: usize,
    first: usize,
    elements: Vec<i64>,
}

/// The pool of a node by lengths, and the column of each n-gram in the result.
fn pool(cx: &NodeCx<'_, '_>) -> R<(Vec<Grams>, Vec<i64>)> {
    let list = |name: &str| -> R<Vec<i64>> {
        match cx.attrs.ints(name)? {
            Some(values) => Ok(values.to_vec()),
            None => invalid(format!("attribute {name} is missing")),
        }
    };
    if cx.attrs.get("pool_strings").is_some() {
        return unsupported("pool_strings; pool_int64s works");
    }
    let (elements, counts, columns) = (list("pool_int64s")?, list("ngram_counts")?, list("ngram_indexes")?);
    let (mut grams, mut first) = (Vec::new(), 0);
    for (at, &start) in counts.iter().enumerate() {
        let end = counts.get(at + 1).copied().unwrap_or(elements.len() as i64);
        let (length, range) = (at + 1, usize::try_from(start).ok().zip(usize::try_from(end).ok()));
        let part = range.and_then(|(start, end)| elements.get(start..end));
        let Some(part) = part.filter(|part| part.len() % length == 0) else {
            return invalid(format!("ngram_counts = {counts:?} does not cut {} elements into n-grams", elements.len()));
        };
        let mut seen: Vec<&[i64]> = part.chunks(length).collect();
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return unsupported("an n-gram that is twice in the pool");
        }
        grams.push(Grams { length, first, elements: part.to_vec() });
        first += part.len() / length;
    }
    if columns.len() != first || columns.iter().any(|column| !(0..1 << 24).contains(column)) {
        return invalid(format!("{} ngram_indexes for {first} n-grams, all from 0 to 2^24", columns.len()));
    }
    Ok((grams, columns))
}

/// TfIdfVectorizer.
pub(super) fn tf_idf(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let x = cx.input(0)?;
    let (grams, columns) = pool(cx)?;
    let (shortest, longest) = (cx.int("min_gram_length")?, cx.int("max_gram_length")?);
    let most_skipped = cx.int("max_skip_count")?;
    if !(0..=1 << 10).contains(&most_skipped) {
        return unsupported(format!("max_skip_count = {most_skipped}"));
    }
    let shape = cx.shape(x)?;
    let (rows, width) = match shape.as_slice() {
        [] => (None, Dim::ONE),
        [width] => (None, width.clone()),
        [rows, width] => (Some(rows.clone()), width.clone()),
        other => return invalid(format!("the operand has {} axes; at most two are allowed", other.len())),
    };
    let Some(size) = width.as_const() else {
        return unsupported(format!("rows of {width} elements; the length must be constant"));
    };
    let lengths = grams.iter().map(|of_length| of_length.length.saturating_mul(most_skipped as usize + 1));
    if lengths.fold(0, usize::saturating_add) > MAX_STEPS {
        return unsupported(format!("n-grams of so many lengths and gaps that comparing takes over {MAX_STEPS} steps"));
    }
    let x = cx.cast(x, DType::I64)?;
    let count = rows.clone().unwrap_or(Dim::ONE);
    let x = cx.reshape(x, [count.clone(), Dim::ONE, width])?;
    let total = columns.iter().max().map_or(0, |most| most + 1);
    let mut sum = filled(cx, Tensor::scalar(DType::F32, 0.0), &[count.clone(), Dim::from(total)])?;
    for of_length in &grams {
        let length = of_length.length as i64;
        let number = of_length.elements.len() / of_length.length;
        if !(shortest..=longest).contains(&length) || number == 0 {
            continue;
        }
        // Single elements have no gaps.
        let gaps = if length == 1 { 1 } else { most_skipped + 1 };
        let mut found: Option<Val> = None;
        for gap in 1..=gaps {
            let places = size - (length - 1) * gap;
            if places <= 0 {
                break;
            }
            let mut matches: Option<Val> = None;
            for at in 0..of_length.length {
                let part = take_axis(cx, x, 2, &Dim::from(at as i64 * gap), &Dim::from(places))?;
                let wanted: Vec<i64> = of_length.elements.iter().copied().skip(at).step_by(of_length.length).collect();
                let wanted = cx.constant("", Tensor::from_i64(DType::I64, &[1, number, 1], &wanted));
                let equal = cx.op(OpCode::Eq, &[part, wanted], &[])?;
                matches = Some(match matches {
                    Some(matches) => cx.both(matches, equal)?,
                    None => equal,
                });
            }
            let Some(matches) = matches else { continue };
            let matches = cx.cast(matches, DType::F32)?;
            let here = cx.along(OpCode::ReduceSum, matches, &[2], false)?;
            found = Some(match found {
                Some(found) => cx.add(found, here)?,
                None => here,
            });
        }
        let Some(found) = found else { continue };
        let places = &columns[of_length.first..of_length.first + number];
        let places = cx.constant("", Tensor::from_i64(DType::I64, &[1, number], places));
        let wide = [count.clone(), Dim::from(number as i64)].into_iter().collect();
        let places = super::shape::broadcast_to(cx, places, wide)?;
        let attrs = [("axis", Attr::Int(1)), ("reduction", Attr::str("add"))];
        sum = cx.op(OpCode::ScatterElements, &[sum, places, found], &attrs)?;
    }
    let weights = cx.attrs.floats("weights")?.map(<[f32]>::to_vec);
    let weights = weights.filter(|weights| !weights.is_empty());
    if let Some(weights) = &weights
        && weights.len() as i64 != total
    {
        return unsupported(format!("{} weights for {total} columns", weights.len()));
    }
    let mode = cx.word_or("mode", "")?;
    let once = match mode.as_str() {
        "TF" | "TFIDF" => sum,
        "IDF" => {
            let unit = cx.scalar(DType::F32, 1.0);
            cx.op(OpCode::Min, &[sum, unit], &[])?
        }
        other => return invalid(format!("mode = {other:?} is neither \"TF\", \"IDF\" nor \"TFIDF\"")),
    };
    let result = match weights {
        Some(weights) if mode != "TF" => {
            let weights = cx.constant("", Tensor::from_f32(&[weights.len()], &weights));
            cx.mul(once, weights)?
        }
        _ => once,
    };
    one(match rows {
        Some(_) => result,
        None => cx.reshape(result, [Dim::from(total)])?,
    })
}
