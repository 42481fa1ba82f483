//! Counts of n-grams.

use lathe_ir::{DType, Tensor};

use crate::support::*;

#[test]
fn counts() {
    Case::new(9)
        .input("x0", Tensor::from_i64(DType::I32, &[2, 6], &[1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8]))
        .node(
            "TfIdfVectorizer",
            &["x0"],
            &["y"],
            &[
                ("min_gram_length", A::Int(1)),
                ("max_gram_length", A::Int(2)),
                ("ngram_counts", A::Ints(&[0, 4])),
                ("ngram_indexes", A::Ints(&[0, 1, 2, 3, 4, 5, 6])),
                ("pool_int64s", A::Ints(&[2, 3, 5, 4, 5, 6, 7, 8, 6, 7])),
                ("mode", A::Str("TF")),
                ("max_skip_count", A::Int(0)),
            ],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 7], &[0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0])]);
    Case::new(9)
        .input("x0", Tensor::from_i64(DType::I32, &[2, 6], &[1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8]))
        .node(
            "TfIdfVectorizer",
            &["x0"],
            &["y"],
            &[
                ("min_gram_length", A::Int(1)),
                ("max_gram_length", A::Int(2)),
                ("ngram_counts", A::Ints(&[0, 4])),
                ("ngram_indexes", A::Ints(&[0, 1, 2, 3, 4, 5, 6])),
                ("pool_int64s", A::Ints(&[2, 3, 5, 4, 5, 6, 7, 8, 6, 7])),
                ("mode", A::Str("TF")),
                ("max_skip_count", A::Int(5)),
            ],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 7], &[0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0])]);
}

#[test]
fn weights() {
    Case::new(9)
        .input("x0", Tensor::from_i64(DType::I64, &[6], &[8, 6, 7, 5, 6, 7]))
        .node(
            "TfIdfVectorizer",
            &["x0"],
            &["y"],
            &[
                ("min_gram_length", A::Int(2)),
                ("max_gram_length", A::Int(2)),
                ("ngram_counts", A::Ints(&[0, 4])),
                ("ngram_indexes", A::Ints(&[0, 1, 2, 3, 4, 5, 6])),
                ("pool_int64s", A::Ints(&[2, 3, 5, 4, 5, 6, 7, 8, 6, 7])),
                ("mode", A::Str("IDF")),
                ("max_skip_count", A::Int(0)),
                ("weights", A::Floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5])),
            ],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[7], &[0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 7.5])]);
    Case::new(9)
        .input("x0", Tensor::from_i64(DType::I64, &[6], &[8, 6, 7, 5, 6, 7]))
        .node(
            "TfIdfVectorizer",
            &["x0"],
            &["y"],
            &[
                ("min_gram_length", A::Int(2)),
                ("max_gram_length", A::Int(2)),
                ("ngram_counts", A::Ints(&[0, 4])),
                ("ngram_indexes", A::Ints(&[0, 1, 2, 3, 4, 5, 6])),
                ("pool_int64s", A::Ints(&[2, 3, 5, 4, 5, 6, 7, 8, 6, 7])),
                ("mode", A::Str("TFIDF")),
                ("max_skip_count", A::Int(0)),
                ("weights", A::Floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5])),
            ],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[7], &[0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 15.0])]);
}
