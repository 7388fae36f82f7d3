#!/usr/bin/env bash
# Builds the page into web/dist, or checks that its modules compile.
# usage: web/build.sh check|build [more arguments for cargo]
#
# The page has three modules: one with WebGPU, one that computes on the CPU with several threads, and one with WebGPU
# that can be taught. Where the second cannot be built, it says why, and the page computes with one thread.
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
module=wasm32-unknown-unknown/release/medley_web.wasm
# First the one that learns, under another name: both lie in one folder, which holds what they have in common.
./cargo.sh "$task" --features learn "$@"
if [ "$task" = build ]; then
  cp "$target_dir/$module" "$target_dir/learn.wasm"
fi
./cargo.sh "$task" "$@"
modules=("$target_dir/$module" "learn=$target_dir/learn.wasm")
# In a folder of its own: other flags would compile what both have in common again and again.
if CARGO_TARGET_DIR=$target_dir/threads ./cargo.sh --threads "$task" --no-default-features --features threads "$@"; then
  modules+=("threads=$target_dir/threads/$module")
else
  echo "the page will compute with one thread where there is no WebGPU" >&2
fi
if [ "$task" = build ]; then
  cargo run --quiet --locked --package medley-web-pack --release -- dist "${modules[@]}"
fi
