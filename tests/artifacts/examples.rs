//! The programs under examples/embed do what they say.

use crate::case::{Case, digits, ended, images_and_logits, root};
use lathe_compiler::artifact::WeightsAt;
use std::process::Command;

/// The digits on the ten images, one a line.
const LABELS: &str = "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";

#[test]
fn a_c_program_with_the_model_inside() {
    let (case, compiled) = (Case::new(), digits());
    let (images, _) = images_and_logits(&case, &compiled);
    case.write(&compiled, "libdigits.a", WeightsAt::Inside);
    let printed = case.run_source(&root().join("examples/embed/classify.c"), &["libdigits.a"], Some(&images));
    assert_eq!(String::from_utf8(printed).unwrap(), LABELS);
}

#[test]
fn a_rust_program_with_a_lathe_file() {
    let (case, compiled) = (Case::new(), digits());
    let (images, _) = images_and_logits(&case, &compiled);
    let file = case.write(&compiled, "digits.lathe", WeightsAt::Inside);
    // target/release/deps/this: built there already, unless this test alone was asked for. The features are those of the
    // whole workspace, so that nothing is built a second time.
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--quiet", "--workspace", "--example", "classify"]);
    cargo.args((!cfg!(debug_assertions)).then_some("--release"));
    ended(cargo.arg("--target-dir").arg(profile.parent().unwrap()));
    let printed = ended(Command::new(profile.join("examples/classify")).arg(&file).arg(&images)).stdout;
    assert_eq!(String::from_utf8(printed).unwrap(), LABELS);
}
