//! The rule library.
//!
//! A rule is one line in a family: a name, a left and a right side in the text of [`crate::egraph::pattern`], and after
//! `where` the steps that must succeed, each a named function of [`steps`] that tests a fact or binds a variable of the
//! right side. A rule of class [`Exactness::InReals`] says what rounding it changes. Types need no condition: a right
//! side of another type than the left is refused when it is built.
//!
//! ```text
//! "transpose-of-transpose": "(transpose {perm=?p} (transpose {perm=?q} ?x))" => "(transpose {perm=?r} ?x)",
//!     where compose("?r", "?q", "?p");
//! ```
//!
//! Left sides are written for the canonical form that the pass canonicalize makes: constants on the right, `x * x` as
//! square, `x - c` as `x + -c`, scalars instead of uniform tensors. There are no rules of commutativity or
//! associativity; an op with a star matches both orders.
//!
//! Every rule has a case under tests/ir in which it fires, and passes random instances of its left side; tests keep that
//! true (passes/tests/filetests.rs, passes/tests/properties).

mod steps;

use crate::egraph::analysis::{EGraph, Fact, Origin, add_attr, add_constant};
use crate::egraph::language::{Children, Head, Node, operand_count};
use crate::egraph::pattern::{Left, Right, parse_left, parse_right};
use crate::egraph::run::add_with_origin;
use crate::options::Options;
use egg::{Id, Subst, Var};
use lathe_ir::builder::complete_attrs;
use lathe_ir::{Attr, OpCode, Tensor, TensorType};
use std::sync::{Arc, OnceLock};

/// How far a rule keeps values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// Every bit, NaN and infinities included.
    Bits,
    /// Equal over the real numbers; the note says how rounding, overflow or NaN may differ. Off with `--strict`.
    InReals(&'static str),
}

/// One step of a rule: tests a fact or binds a variable. `None` means that the rule does not apply.
pub type Step = Box<dyn Fn(&mut Match<'_>) -> Option<()> + Send + Sync>;

/// A rule.
pub struct Rule {
    /// Name, unique in the library.
    pub name: &'static str,
    /// The file it is in.
    pub family: &'static str,
    /// How far it keeps values.
    pub exactness: Exactness,
    /// Its equation, as written.
    pub equation: (&'static str, &'static str),
    /// Left sides, any of which may match, each with its right side.
    pub sides: Vec<(Left, Right)>,
    /// What must hold, in order.
    pub steps: Vec<Step>,
    /// Whether it also rewrites what depends on constants only.
    pub on_constants: bool,
}

impl Rule {
    /// Reads a rule. `ops` are what `$op` stands for in turn; empty if it does not occur.
    ///
    /// # Panics
    /// If a pattern breaks the grammar: a mistake in the library, found by any test that loads it.
    pub fn new(
        family: &'static str,
        name: &'static str,
        exactness: Exactness,
        ops: &[&str],
        equation: (&'static str, &'static str),
        steps: Vec<Step>,
    ) -> Rule {
        let mut sides = Vec::new();
        for op in if ops.is_empty() { &[""] } else { ops } {
            let read = |text: &str| text.replace("$op", op);
            let left = parse_left(&read(equation.0)).unwrap_or_else(|error| panic!("left side of {name}: {error}"));
            for left in left {
                let right = parse_right(&read(equation.1));
                sides.push((left, right.unwrap_or_else(|error| panic!("right side of {name}: {error}"))));
            }
        }
        Rule { name, family, exactness, equation, sides, steps, on_constants: family == "movement" }
    }
}

/// A family: its rules, one a line. `for LIST` after the name lets `$op` stand for each op of the list.
macro_rules! family {
    ($family:literal: $(
        $name:literal $(for $ops:ident)? $(in reals $note:literal)?: $left:expr => $right:expr $(, where $($step:expr),+)?;
    )*) => {
        /// The rules of this family.
        pub(super) fn rules() -> Vec<$crate::rules::Rule> {
            vec![$($crate::rules::Rule::new(
                $family,
                $name,
                family!(@exactness $($note)?),
                family!(@ops $($ops)?),
                ($left, $right),
                vec![$($($step),+)?],
            )),*]
        }
    };
    (@exactness) => { $crate::rules::Exactness::Bits };
    (@exactness $note:literal) => { $crate::rules::Exactness::InReals($note) };
    (@ops) => { &[] };
    (@ops $ops:ident) => { $ops };
}

mod activation;
mod affine;
mod algebra;
mod association;
mod attention;
mod conv;
mod masks;
mod matmul;
mod motion;
mod movement;
mod norm;
mod resample;
mod rows;

/// Every rule, family by family.
pub fn all() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| {
        let families = [
            algebra::rules(),
            movement::rules(),
            motion::rules(),
            matmul::rules(),
            conv::rules(),
            affine::rules(),
            association::rules(),
            resample::rules(),
            rows::rules(),
            masks::rules(),
            activation::rules(),
            norm::rules(),
            attention::rules(),
        ];
        families.into_iter().flatten().collect()
    })
}

/// The rules that the options leave on, with their positions in [`all`].
pub fn enabled(options: &Options) -> Vec<(usize, &'static Rule)> {
    let named =
        |set: &std::collections::BTreeSet<String>, rule: &Rule| set.contains(rule.name) || set.contains(rule.family);
    all()
        .iter()
        .enumerate()
        .filter(|(_, rule)| !(options.strict && matches!(rule.exactness, Exactness::InReals(_))))
        .filter(|(_, rule)| options.only_rules.as_ref().is_none_or(|only| named(only, rule)))
        .filter(|(_, rule)| !named(&options.disabled_rules, rule))
        .collect()
}

/// A match of a rule's left side, while its steps run.
pub struct Match<'a> {
    egraph: &'a mut EGraph,
    root: Id,
    subst: Subst,
    origin: Origin,
}

impl<'a> Match<'a> {
    /// A match at a class.
    pub fn new(egraph: &'a mut EGraph, root: Id, subst: Subst, origin: Origin) -> Match<'a> {
        Match { egraph, root, subst, origin }
    }

    /// The bindings, and the origin of what is built.
    pub fn finish(self) -> (Subst, Origin) {
        (self.subst, self.origin)
    }

    /// The e-graph, to look around.
    pub fn egraph(&self) -> &EGraph {
        self.egraph
    }

    /// The class bound to a variable.
    pub fn id(&self, var: Var) -> Option<Id> {
        self.subst.get(var).map(|&id| self.egraph.find(id))
    }

    /// The class that is replaced.
    pub fn root(&self) -> Id {
        self.egraph.find(self.root)
    }

    /// Whether a variable is bound to what is replaced: the term contains what it is equal to, as 0 * x = 0.3 * (0 * x).
    pub fn is_root(&self, var: Var) -> bool {
        self.id(var) == Some(self.root())
    }

    /// Facts of the tensor bound to a variable.
    pub fn fact(&self, var: Var) -> Option<&Fact> {
        self.egraph[self.id(var)?].data.fact()
    }

    /// Type of the tensor bound to a variable.
    pub fn ty(&self, var: Var) -> Option<Arc<TensorType>> {
        self.fact(var).map(|fact| Arc::clone(&fact.ty))
    }

    /// Type of what is replaced.
    pub fn root_ty(&self) -> Option<Arc<TensorType>> {
        self.egraph[self.root].data.fact().map(|fact| Arc::clone(&fact.ty))
    }

    /// The attribute bound to a variable.
    pub fn attr(&self, var: Var) -> Option<Arc<Attr>> {
        match &self.egraph[self.id(var)?].data {
            crate::egraph::analysis::Data::Attr(attr) => Some(Arc::clone(attr)),
            _ => None,
        }
    }

    /// The integer list bound to a variable.
    pub fn ints(&self, var: Var) -> Option<Vec<i64>> {
        match &*self.attr(var)? {
            Attr::Ints(values) => Some(values.to_vec()),
            _ => None,
        }
    }

    /// The integer bound to a variable.
    pub fn int(&self, var: Var) -> Option<i64> {
        match &*self.attr(var)? {
            Attr::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of every element of the tensor bound to a variable, if it is uniform.
    pub fn splat(&self, var: Var) -> Option<f64> {
        let splat = self.fact(var)?.splat.as_ref()?;
        Some(splat.f64_at(0))
    }

    /// The weight that a variable is bound to, if it is one as it stands.
    pub fn weight(&self, var: Var) -> Option<&Tensor> {
        let constant = self.egraph[self.id(var)?].nodes.iter().find(|node| node.code() == Some(OpCode::Const))?;
        match &self.egraph[constant.children[0]].data {
            crate::egraph::analysis::Data::Attr(attr) => match &**attr {
                Attr::Weight(id) => self.egraph.analysis.env.weight(*id).map(|weight| &weight.value),
                Attr::Tensor(tensor) => Some(tensor),
                _ => None,
            },
            _ => None,
        }
    }

    /// Binds a variable to a class.
    pub fn set(&mut self, var: Var, id: Id) -> Option<()> {
        self.subst.insert(var, id);
        Some(())
    }

    /// Binds a variable to an attribute value.
    pub fn set_attr(&mut self, var: Var, attr: Attr) -> Option<()> {
        let id = add_attr(self.egraph, attr);
        self.set(var, id)
    }

    /// Adds a constant.
    pub fn constant(&mut self, tensor: Tensor) -> Id {
        add_constant(self.egraph, tensor)
    }

    /// Adds an op with one result; attributes that are not named get their defaults. `None` if it is not well typed.
    pub fn op(&mut self, code: OpCode, attrs: &[(&str, Attr)], operands: &[Id]) -> Option<Id> {
        let attrs = complete_attrs(code.def(), attrs).ok()?;
        let mut children: Children = attrs.into_iter().map(|attr| add_attr(self.egraph, attr)).collect();
        children.extend_from_slice(operands);
        if let Some(count) = operand_count(code) {
            for _ in operands.len()..count {
                children.push(crate::egraph::analysis::add_known(
                    self.egraph,
                    Node::leaf(Head::Missing),
                    crate::egraph::analysis::Data::Missing,
                ));
            }
        }
        add_with_origin(self.egraph, Node { head: Head::Op(code, 0), children }, &self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let mut names = BTreeSet::new();
        for rule in all() {
            assert!(names.insert(rule.name), "{} is listed twice", rule.name);
            assert!(rule.sides.len() < crate::egraph::run::MOST_SIDES, "{} has too many left sides", rule.name);
        }
        assert!(all().len() < usize::from(u16::MAX));
    }
}
