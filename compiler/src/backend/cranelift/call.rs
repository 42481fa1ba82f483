//! Calls: micro-kernels through their slot in the table, functions of the program directly.

use super::func::{Gen, Unit, clif_type, constant_field};
use crate::loopir::{Expr, Type};
use cranelift_codegen::ir::{
    AbiParam, ExtFuncData, ExternalName, FuncRef, InstBuilder, SigRef, Signature, UserExternalName, Value, types,
};
use lathe_runtime::core::table::{Arg, SIGNATURES, kernel_index};

fn arg_type(arg: Arg) -> Type {
    match arg {
        Arg::I64 => Type::I64,
        Arg::F32 => Type::F32,
        Arg::F64 => Type::F64,
        Arg::Ptr => Type::Ptr,
    }
}

impl Gen<'_, '_> {
    /// A call signature, declared once in this function.
    pub(super) fn signature(&mut self, params: &[Type], ret: Option<Type>) -> SigRef {
        let key = (params.to_vec(), ret);
        if let Some(found) = self.signatures.get(&key) {
            return *found;
        }
        let mut signature = Signature::new(self.call_conv);
        signature.params.extend(params.iter().map(|t| AbiParam::new(clif_type(*t))));
        signature.returns.extend(ret.map(|t| AbiParam::new(clif_type(t))));
        let declared = self.b.import_signature(signature);
        self.signatures.insert(key, declared);
        declared
    }

    /// Another function of the blob, declared once in this function.
    pub(super) fn function(&mut self, unit: Unit) -> FuncRef {
        let index = unit.index(self.program);
        if let Some(found) = self.functions.get(&index) {
            return *found;
        }
        let name = self.b.func.declare_imported_user_function(UserExternalName { namespace: 0, index });
        let signature = self.b.import_signature(unit.signature(self.program, self.call_conv));
        let declared = self.b.import_function(ExtFuncData {
            name: ExternalName::user(name),
            signature,
            colocated: true,
            patchable: false,
        });
        self.functions.insert(index, declared);
        declared
    }

    /// Calls a micro-kernel or function; gives the result if it has one.
    pub(super) fn call(&mut self, callee: &str, args: &[Expr]) -> Option<Value> {
        let args: Vec<Value> = args.iter().map(|a| self.expr(a)).collect();
        if let Some(i) = self.program.fns.iter().position(|f| f.name == callee) {
            let function = self.function(Unit::Fn(i));
            let Some(ctx) = self.ctx else {
                return Some(self.missing("the run context"));
            };
            let mut all = vec![ctx];
            all.extend(args);
            let inst = self.b.ins().call(function, &all);
            return self.b.inst_results(inst).first().copied();
        }
        self.call_kernel(callee, &args)
    }

    /// Calls a micro-kernel with values of the types of its signature.
    pub(super) fn call_kernel(&mut self, callee: &str, args: &[Value]) -> Option<Value> {
        let Some(index) = kernel_index(callee) else {
            self.error.get_or_insert_with(|| format!("there is no micro-kernel @{callee}"));
            return Some(self.b.ins().iconst(types::I64, 0));
        };
        let signature = &SIGNATURES[index];
        let params: Vec<Type> = signature.args.iter().copied().map(arg_type).collect();
        let signature = self.signature(&params, signature.ret.map(arg_type));
        let Some(table) = self.kernel_table else {
            return Some(self.missing("the kernel table"));
        };
        let address = self.b.ins().load(types::I64, constant_field(), table, index as i32 * 8);
        let inst = self.b.ins().call_indirect(signature, address, args);
        self.b.inst_results(inst).first().copied()
    }
}
