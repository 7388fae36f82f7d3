#!/usr/bin/env bash
# Builds the page into web/dist, or checks that its modules compile.
# usage: web/build.sh check|build [more arguments for cargo]
#
# The page has two modules: one with WebGPU, and one that computes on the CPU with several threads. Where the second
# cannot be built, it says why, and the page computes with one thread.
set -euo pipefail
cd "$(dirname "$0")"

task=${1:-build}
case "$task" in
check | build) [ $# -eq 0 ] || shift ;;
*)
  echo "usage: web/build.sh check|build [more arguments for cargo]" >&2
  exit 2
  ;;
esac

target_dir=${CARGO_TARGET_DIR:-target}
modules=("$target_dir/wasm32-unknown-unknown/release/medley_web.wasm")
./cargo.sh "$task" "$@"
# In a folder of its own: other flags would compile what both have in common again and again.
if CARGO_TARGET_DIR=$target_dir/threads ./cargo.sh --threads "$task" --no-default-features --features threads "$@"; then
  modules+=("$target_dir/threads/wasm32-unknown-unknown/release/medley_web.wasm")
else
  echo "the page will compute with one thread where there is no WebGPU" >&2
fi
if [ "$task" = build ]; then
  cargo run --quiet --locked --package medley-web-pack --release -- dist "${modules[@]}"
fi
