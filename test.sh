#!/usr/bin/env bash
# Every check of this repository: formatting, lints, the page in a real browser, and the tests.
#
# MEDLEY_TARGET_DIR  where compiled code is kept from one checkout to the next
set -euo pipefail
cd "$(dirname "$0")"

target_dir=${MEDLEY_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/medley/target}
wasm=wasm32-unknown-unknown

say() {
  printf '\n== %s\n' "$*"
}

# Installs Debian packages that are missing; without root it names them and goes on.
need() {
  local package missing=()
  for package in "$@"; do
    dpkg-query --show --showformat '${Status}\n' "$package" 2>/dev/null | grep -qx 'install ok installed' ||
      missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    return
  elif [ "$(id -u)" -eq 0 ]; then
    say "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  else
    say "not root, so not installing ${missing[*]}: what needs them will fail"
  fi
}

if command -v apt-get >/dev/null; then
  # A Vulkan driver that runs on the CPU: the GPU tests' GPU.
  need libvulkan1 mesa-vulkan-drivers chromium
  # What reads HEIC and AVIF, as on a machine of somebody who has such pictures.
  need libheif-examples
  # A screen to drag files across.
  need xvfb
  command -v npm >/dev/null || need nodejs npm
  if ! rustup target list --installed 2>/dev/null | grep -qx "$wasm"; then
    need cargo-web rust-web-src rustc-web
  fi
fi

export CARGO_TARGET_DIR=$target_dir
say "compiling into $CARGO_TARGET_DIR"

say "formatting"
cargo fmt --all --check
cargo fmt --manifest-path web/Cargo.toml --all --check

# Before the program, which carries it.
say "the page"
CARGO_TARGET_DIR=$target_dir/wasm web/build.sh build

say "clippy"
cargo clippy --release --workspace --all-targets -- -D warnings

say "tests"
# All at once: another selection of packages means other features, and compiles every dependency again.
cargo test --release --workspace

say "the page in a browser"
(cd tests/page && npm ci --silent --no-audit --no-fund && npm test --silent)

say "all passed"
