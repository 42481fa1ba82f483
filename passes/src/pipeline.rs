//! The order of the passes, with the reason for each place.

/// What [`crate::optimize`] runs when no passes are named.
pub const DEFAULT: &[&str] = &[
    "simplify-dims",    // first: equal shapes must look equal to everything below
    "dce",              // before folding: nothing is evaluated that no result needs
    "simplify-regions", // before folding: constants move to where regions use them
    "canonicalize",     // before folding: casts and reshapes that do nothing would cost copies of weights
    "fold-constants",   // shape arithmetic and masks become constants, which rules test for
    "simplify-regions", // folding decided branches
    "canonicalize",     // folding made new constants, which go to the right
    "cse",              // one e-class for what an exporter wrote several times
    "rewrite",          // all fusion and movement of transposes
    "fold-constants",   // evaluates the recipes that rules built over weights
    "canonicalize",     // drops what rules left behind, for example reshapes of reshapes
    "cse",              // recipes of several ops may be equal
    "simplify-regions", // what rules made of a body may need fewer values from outside
    "dce",              // drops the weights that recipes replaced
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager;

    #[test]
    fn names_are_in_the_table_and_the_table_is_sorted() {
        for name in DEFAULT {
            assert!(manager::find(name).is_some(), "{name} is in no table");
        }
        assert!(manager::PASSES.is_sorted_by_key(|pass| pass.name));
    }
}
