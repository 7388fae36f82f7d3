#!/usr/bin/env bash
# Builds the page into web/dist, or checks that its module compiles.
# usage: web/build.sh check|build [more arguments for cargo]
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

./cargo.sh "$task" "$@"
if [ "$task" = build ]; then
  target_dir=${CARGO_TARGET_DIR:-target}
  cargo run --quiet --locked --package medley-web-pack --release -- "$target_dir/wasm32-unknown-unknown/release/medley_web.wasm" dist
fi
