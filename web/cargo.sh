#!/usr/bin/env bash
# Runs cargo for wasm in this folder, with rustup's standard library or Debian's.
# usage: cargo.sh check|build [more arguments for cargo]
#
# Where rustup has no wasm32 standard library but Debian's rustc has its source, it builds that too:
#   apt-get install --no-install-recommends rustc-web cargo-web rust-web-src
set -euo pipefail

target=wasm32-unknown-unknown
if rustup target list --installed 2>/dev/null | grep -qx "$target"; then
  exec cargo "$@" --target "$target" --release --locked
fi
rustc=/usr/bin/rustc cargo=/usr/bin/cargo
if ! [ -x "$rustc" ] || ! [ -x "$cargo" ] || ! [ -e "$("$rustc" --print sysroot)/lib/rustlib/src/rust/library" ]; then
  echo "no standard library for $target: run 'rustup target add $target'" >&2
  echo "or, on Debian, 'apt-get install rustc-web cargo-web rust-web-src'" >&2
  exit 1
fi
# Debian's compiler has no linker for wasm; rustup's has.
if [ -z "${CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER:-}" ]; then
  for linker in "$(rustc --print sysroot)"/lib/rustlib/*/bin/rust-lld "$(command -v wasm-ld || true)"; do
    if [ -x "$linker" ]; then
      export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker
      break
    fi
  done
fi
# -Z needs a nightly compiler, or this word for it.
RUSTC_BOOTSTRAP=1 RUSTC=$rustc exec "$cargo" "$@" -Z build-std=std,panic_abort --target "$target" --release --locked
