#!/bin/sh
# Builds Lathe, compiles a small vision transformer to native code, and lets it read ten handwritten digits that it has
# never seen. Needs Rust, nothing else.
set -eu
cd "$(dirname "$0")/../.."
here=examples/digits
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

cargo build --release
lathe=${CARGO_TARGET_DIR:-target}/release/lathe

echo
"$lathe" compile $here/digits.onnx --dim batch=1..64 -o "$out/digits.lathe"
"$lathe" run "$out/digits.lathe" --input-dir $here/input --output-dir "$out"

# Both files end with their numbers, as 32-bit floats: ten images of 8x8 pixels, ten rows of ten logits.
floats() { tail -c $(($2 * 4)) "$1" | od -An -v -t f4 -w"$3"; }
echo
floats $here/input/input_0.pb 640 32 | awk '
    { image = int((NR - 1) / 8); row = (NR - 1) % 8
      for (i = 1; i <= NF; i++) line[row] = line[row] substr(" .:-=+*#%@", int($i * 9.5) + 1, 1)
      line[row] = line[row] "  " }
    END { for (row = 0; row < 8; row++) print "             " line[row] }'
floats "$out/output_0.pb" 100 40 | awk -v labels="$(tr -d '[] ' <$here/labels.json)" '
    BEGIN { split(labels, label, ",") }
    { best = 1; sum = 0
      for (i = 2; i <= NF; i++) if ($i > $best) best = i
      for (i = 1; i <= NF; i++) sum += exp($i - $best)
      says = says sprintf("%-10s", "    " best - 1); sure = sure sprintf("%-10s", sprintf("   %2.0f%%", 100 / sum))
      is = is sprintf("%-10s", "    " label[NR]); right += best - 1 == label[NR] }
    END { print "prediction   " says; print "certainty    " sure; print "label        " is
          print right " of " NR " right"; exit right == 0 || NR != 10 }'
echo
"$lathe" bench "$out/digits.lathe" --input-dir $here/input --threads 1
