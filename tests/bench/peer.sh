#!/usr/bin/env bash
# Build llama-server and llama-bench, the peer of the benchmarks, from the llama.cpp that llama-cpp-python ships in the
# version this repository pins: both sides compute with the same kernels. Minutes on a PC, an hour or more on a Pi.
# Usage: tests/bench/peer.sh [FOLDER]     (default ~/.cache/bramble-peer; needs cmake, a C++ compiler, python3 with pip)
# The last line it prints is the path of llama-server, for --peer or BRAMBLE_PEER.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/bramble-peer}
server=$folder/bin/llama-server

pin=$(grep -o 'llama-cpp-python==[0-9.]*' "$repo/pyproject.toml")
if [[ -x $server && -x $folder/bin/llama-bench && -f $folder/pin && $(<"$folder/pin") == "$pin" ]]; then
  echo "$server"
  exit
fi

sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT
{
  python3 -m pip download --quiet --no-deps --no-binary llama-cpp-python --dest "$sources" "$pin"
  tar -xzf "$sources"/llama_cpp_python-*.tar.gz -C "$sources" --strip-components=1
  cmake --fresh -S "$sources/vendor/llama.cpp" -B "$folder" -DCMAKE_BUILD_TYPE=Release \
    -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF
  cmake --build "$folder" --parallel "$(nproc)" --target llama-server llama-bench
} >&2
printf '%s\n' "$pin" >"$folder/pin"
echo "$server"
