#!/usr/bin/env bash
# Builds candle's module for bench.mjs, as web/build.sh builds Medley's.
set -euo pipefail
cd "$(dirname "$0")"
exec ../../../../web/cargo.sh build
