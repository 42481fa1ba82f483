//! All ops, one file per op or small family. To add one: its file here and one line in the table below
//! (docs/add-an-op.md names the other places).

mod binary;
mod cast;
mod constant;
mod matmul;
mod reshape;
mod transpose;
mod unary;

pub(crate) mod index;

use crate::op::OpDef;

macro_rules! op_table {
    ($($variant:ident = $def:path),+ $(,)?) => {
        /// Which op. The variants follow the table; see the definition for its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum OpCode { $($variant),+ }

        static TABLE: &[(OpCode, &OpDef)] = &[$((OpCode::$variant, &$def)),+];
    };
}

op_table! {
    Const = constant::CONST,
    // element by element, one operand
    Neg = unary::NEG,
    Abs = unary::ABS,
    Exp = unary::EXP,
    Relu = unary::RELU,
    // element by element, two operands
    Add = binary::ADD,
    Sub = binary::SUB,
    Mul = binary::MUL,
    Div = binary::DIV,
    Cast = cast::CAST,
    // movement
    Reshape = reshape::RESHAPE,
    Transpose = transpose::TRANSPOSE,
    // contractions
    MatMul = matmul::MATMUL,
}

impl OpCode {
    /// Every op in table order.
    pub fn all() -> impl Iterator<Item = OpCode> {
        TABLE.iter().map(|row| row.0)
    }

    /// The definition.
    pub fn def(self) -> &'static OpDef {
        TABLE[self as usize].1
    }

    /// Name in the text form.
    pub fn name(self) -> &'static str {
        self.def().name
    }

    /// The op of that name.
    pub fn from_name(name: &str) -> Option<OpCode> {
        TABLE.iter().find(|row| row.1.name == name).map(|row| row.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Arity;
    use std::collections::BTreeSet;

    #[test]
    fn table_is_consistent() {
        let mut names = BTreeSet::new();
        for code in OpCode::all() {
            let def = code.def();
            assert!(names.insert(def.name), "{} is listed twice", def.name);
            assert_eq!(OpCode::from_name(def.name), Some(code));
            assert!(!def.doc.is_empty(), "{} has no documentation", def.name);
            let mut optional_seen = false;
            for (index, operand) in def.operands.iter().enumerate() {
                optional_seen |= operand.arity != Arity::One;
                assert!(!optional_seen || operand.arity != Arity::One, "{}: required after optional", def.name);
                assert!(
                    operand.arity != Arity::Variadic || index + 1 == def.operands.len(),
                    "{}: variadic not last",
                    def.name
                );
            }
            for attr in def.attrs {
                if let Some(default) = attr.default {
                    assert!(default().is_kind(attr.kind), "{}: default of {} is of another kind", def.name, attr.name);
                }
            }
        }
    }
}
