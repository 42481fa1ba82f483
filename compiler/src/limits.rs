//! Limits on memory: a file of a few bytes can ask for a tensor of terabytes, which would be found out only when the
//! program runs.

use crate::plan::Plan;
use lathe_ir::{Diagnostic, Diagnostics, Graph, Module, Symbols, TensorType};

/// How much memory a program may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of any one value, of the arena and of the weights: `--max-memory`.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory: 16 << 30 }
    }
}

impl Limits {
    /// Refuses values that are too large whatever the inputs are.
    ///
    /// # Errors
    /// Each such value, with the node that makes it.
    pub fn check_module(&self, module: &Module) -> Result<(), Diagnostics> {
        let mut found = Diagnostics::default();
        self.check_graph(&module.env.symbols, &module.main, &mut found);
        found.into_result(())
    }

    fn check_graph(&self, symbols: &Symbols, graph: &Graph, found: &mut Diagnostics) {
        for (_, op) in graph.iter() {
            let types = op.results.iter().map(|&value| graph.ty(value));
            if let Some(ty) = types.max_by_key(|ty| least_bytes(symbols, ty))
                && least_bytes(symbols, ty) > u128::from(self.memory)
            {
                let bytes = least_bytes(symbols, ty);
                let diagnostic = self.refuse(&format!("{ty} is {} or more", size(bytes)), bytes);
                found.push(diagnostic.at(op.loc.first(), op.code.name(), None));
            }
            for region in &op.regions {
                self.check_graph(symbols, region, found);
            }
        }
    }

    /// Refuses programs that need too much memory.
    ///
    /// # Errors
    /// The sizes of weights and arena that are beyond the limit.
    pub fn check_plan(&self, plan: &Plan) -> Result<(), Diagnostics> {
        let mut found = Diagnostics::default();
        let arena = u128::from(plan.arena_bytes.unsigned_abs());
        // With sizes that only the inputs tell, this is an estimate; the caller's memory decides then.
        if plan.symbols.is_empty() && arena > u128::from(self.memory) {
            found.push(self.refuse(&format!("the arena for intermediate values is {}", size(arena)), arena));
        }
        let weights = u128::from(plan.weights.total_bytes());
        if weights > u128::from(self.memory) {
            found.push(self.refuse(&format!("the weights are {}", size(weights)), weights));
        }
        found.into_result(())
    }

    fn refuse(&self, what: &str, bytes: u128) -> Diagnostic {
        let gib = bytes.div_ceil(1 << 30);
        Diagnostic::unsupported(format!("{what}, more than the limit of {}", size(u128::from(self.memory))))
            .help(format!("if it is meant to be so large, raise the limit: --max-memory {gib}G"))
    }
}

/// Bytes of a value where every symbol has its least value.
fn least_bytes(symbols: &Symbols, ty: &TensorType) -> u128 {
    let sizes = ty.shape.iter().map(|dim| dim.range(symbols).0.unwrap_or(0).max(0));
    let elements = sizes.fold(1u128, |product, size| product.saturating_mul(size as u128));
    elements.saturating_mul(ty.dtype.size() as u128)
}

/// A number of bytes to read.
fn size(bytes: u128) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut value = bytes as f64;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    let digits = if unit == 0 { 0 } else { 1 };
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_ir::text::{no_weights, parse_module};

    #[test]
    fn large_values_are_named() {
        let text = "symbol N : 2..8
            graph(%0 \"x\": f32[N]) {
              %1 = const f32[] 1.0
              %2 = broadcast(%1) {shape = [1048576, 1048576]} loc \"fill\"
              %3 = broadcast(%1) {shape = [1048576, 1024, N]} loc \"twice\"
              %4 = broadcast(%0) {shape = [1048576, N]} loc \"fine\"
              return %2 \"a\", %3 \"b\", %4 \"c\"
            }";
        let module = parse_module(text, &no_weights).expect("parses");
        let limits = Limits { memory: 4 << 30 };
        let found = limits.check_module(&module).expect_err("is refused").to_string();
        assert!(found.contains("fill") && found.contains("4.0 TiB") && found.contains("--max-memory 4096G"), "{found}");
        assert!(found.contains("twice") && found.contains("8.0 GiB or more"), "{found}");
        assert!(!found.contains("fine"), "{found}");
        assert!(Limits { memory: 1 << 42 }.check_module(&module).is_ok());
    }
}
