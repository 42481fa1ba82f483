//! The ONNX import: tiny models, imported and evaluated, against numbers that onnxruntime computed.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]
#![allow(clippy::approx_constant, reason = "expected numbers are what was computed, whatever they look like")]

mod activation;
mod attention;
mod constant;
mod conv_open;
mod crop_resize;
mod data;
mod documented;
mod dynamic;
mod elementwise;
mod errors;
mod hostile;
mod index;
mod limits;
mod loss;
mod nbits;
mod ngram;
mod norm;
mod old_opsets;
mod parts;
mod product;
mod quantize;
mod recurrent;
mod reduce;
mod region;
mod resize;
mod sampling;
mod shape;
mod spectral;
mod state;
mod support;
mod symbols;
mod unpool;
mod window;
