#!/usr/bin/env bash
# Runs cargo for wasm in this folder, with rustup's standard library or Debian's.
# usage: cargo.sh [--threads] check|build [more arguments for cargo]
#
# Where rustup has no wasm32 standard library but Debian's rustc has its source, it builds that too:
#   apt-get install --no-install-recommends rustc-web cargo-web rust-web-src
#
# --threads is for a module whose threads share its memory. No standard library that comes built can do that, so it
# is built from source: Debian's, or rustup's (rustup component add rust-src).
set -euo pipefail

target=wasm32-unknown-unknown
threads=
if [ "${1:-}" = --threads ]; then
  threads=1
  shift
  # These stand in the place of those in .cargo/config.toml.
  RUSTFLAGS="-C target-feature=+simd128,+atomics,+bulk-memory,+mutable-globals"
  RUSTFLAGS+=" -C link-arg=--shared-memory -C link-arg=--import-memory -C link-arg=--max-memory=4294967296"
  for symbol in __wasm_init_tls __tls_size __tls_align __tls_base; do
    RUSTFLAGS+=" -C link-arg=--export=$symbol"
  done
  export RUSTFLAGS
fi

# -Z needs a nightly compiler, or this word for it.
build_std=(-Z build-std=std,panic_abort --target "$target" --release --locked)
if [ -n "$threads" ] && [ -e "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]; then
  RUSTC_BOOTSTRAP=1 exec cargo "$@" "${build_std[@]}"
elif [ -z "$threads" ] && rustup target list --installed 2>/dev/null | grep -qx "$target"; then
  exec cargo "$@" --target "$target" --release --locked
fi
rustc=/usr/bin/rustc cargo=/usr/bin/cargo
if ! [ -x "$rustc" ] || ! [ -x "$cargo" ] || ! [ -e "$("$rustc" --print sysroot)/lib/rustlib/src/rust/library" ]; then
  if [ -n "$threads" ]; then
    echo "no source of a standard library: run 'rustup component add rust-src'" >&2
  else
    echo "no standard library for $target: run 'rustup target add $target'" >&2
  fi
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
RUSTC_BOOTSTRAP=1 RUSTC=$rustc exec "$cargo" "$@" "${build_std[@]}"
