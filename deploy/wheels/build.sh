#!/usr/bin/env bash
# Makes a wheelhouse: all that pip needs to install Bramble on a board (or a PC like this one), without internet or compiler.
# Writes to the wheelhouse and to the cache only; packages come from apt, as root or with sudo.
set -euo pipefail

usage() {
  cat <<'END'
Usage: deploy/wheels/build.sh [--arch arm64|amd64] [--portable] [--output DIR] [--python VERSIONS]

Builds llama-cpp-python for every kind of 64-bit ARM processor in one wheel (cross-compiled on a PC, about
25 minutes once; natively on a Raspberry Pi), collects the wheels of everything else and Bramble's own,
and writes requirements-3.11.lock and so on, which name them all with their hashes. Install on the board with

  pip install --no-index --find-links DIR --require-hashes -r DIR/requirements-3.13.lock

  --arch ARCH         for which machines: arm64, every board (default); amd64, PCs whose processor can do
                      what this one can
  --portable          amd64 for any PC that knows AVX2 (since 2013): slower than what is made for one kind
  --output DIR        the wheelhouse (default: the cache's bramble/wheelhouse-ARCH)
  --python VERSIONS   Pythons of the boards (default: 3.11,3.13, those of Debian 12 and 13)

Environment: XDG_CACHE_HOME (the built wheel is kept in its bramble/wheels).
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=deploy/common.sh
source "$repo/deploy/common.sh"
arch=arm64
portable=''
output=''
pythons=3.11,3.13
while (($#)); do
  case $1 in
    --arch) arch=${2:?--arch wants arm64 or amd64}; shift ;;
    --portable) portable=-portable ;;
    --output) output=${2:?--output wants a folder}; shift ;;
    --python) pythons=${2:?--python wants versions}; shift ;;
    --help | -h) usage; exit 0 ;;
    *) misused "unknown option: $1" ;;
  esac
  shift
done
for each in ${pythons//,/ }; do
  [[ $each =~ ^3\.[0-9]+$ ]] || fail "$each is no Python version." "Write it like 3.11,3.13."
done

case $arch in
  arm64) machine=aarch64 ;;
  amd64) machine=x86_64 ;;
  *) fail "no wheels are made for $arch." "There are arm64 and amd64." ;;
esac
[[ $arch == amd64 || ! $portable ]] || fail "--portable is for amd64." "Wheels for arm64 run on every board."
output=${output:-$cache/wheelhouse-$arch$portable}
[[ $arch == arm64 || $(uname -m) == "$machine" ]] || fail "wheels for $arch are made on such a machine."
version=$(sed -n 's/.*"llama-cpp-python==\([^"]*\)".*/\1/p' "$repo/pyproject.toml")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$cache/wheels" "$output"
log=$cache/wheels/wheelhouse-$arch.log
cross=''
if [[ $(uname -m) != "$machine" ]]; then cross=aarch64-linux-gnu-; fi

# ── what building takes ──────────────────────────────────────────────────────────────────────────

missing_packages() {
  command -v "${cross}g++" >/dev/null || printf '%s\n' "g++${cross:+-${cross%-}}"
  command -v ninja >/dev/null || printf '%s\n' ninja-build
  command -v python3 >/dev/null || printf '%s\n' python3
  python3 -c 'import ensurepip, venv' 2>/dev/null || printf '%s\n' python3-venv
  command -v dpkg-deb >/dev/null || printf '%s\n' dpkg
}

# Tools of our own: pip, and wheel to put one together.
make_tools() {
  python3 -m venv "$scratch/tools"
  pip=("$scratch/tools/bin/python" -m pip --disable-pip-version-check -q)
  "${pip[@]}" install cmake wheel ||
    fail "the package index cannot be reached, or lacks it." "Check the network and how pip is configured."
}

# ── llama-cpp-python ─────────────────────────────────────────────────────────────────────────────

compiler_major() { "${cross}g++" -dumpversion | cut -d. -f1; }

key() {
  { printf '%s\n' "$version" "$("${cross}g++" --version | head -n 1)"; cat "$0" "$here"/*.cmake; } |
    sha256sum | cut -c1-16
}

# One library a kind of processor; ggml chooses at run time. They belong beside the others, in the wheel.
build_llama() {
  local wheel=$1 source arguments
  say "Building llama-cpp-python $version for 64-bit ARM, every kind of processor: about 25 minutes on a PC …"
  "${pip[@]}" download --no-deps --no-binary llama-cpp-python --no-build-isolation -d "$scratch" \
    "llama-cpp-python==$version" >"$log" 2>&1 ||
    "${pip[@]}" download --no-deps --no-binary llama-cpp-python -d "$scratch" "llama-cpp-python==$version" \
      >"$log" 2>&1 || fail "llama-cpp-python $version could not be downloaded." "All of the output: $log"
  tar -xzf "$scratch"/llama_cpp_python-*.tar.gz -C "$scratch"
  source=$(echo "$scratch"/llama_cpp_python-*/)
  if (($(compiler_major) < 14)); then
    say "  without the two kinds for ARMv9.2, which no Raspberry Pi has: ${cross}g++ is older than 14"
    sed -i '/ggml_add_cpu_backend_variant(armv9/d' "$source/vendor/llama.cpp/ggml/src/CMakeLists.txt"
  fi
  arguments="-DLLAVA_BUILD=OFF -DLLAMA_OPENSSL=OFF -DGGML_RPC=ON -DGGML_RPC_RDMA=OFF -DGGML_NATIVE=OFF -DGGML_BACKEND_DL=ON"
  arguments+=" -DGGML_CPU_ALL_VARIANTS=ON -DCMAKE_INSTALL_BINDIR=llama_cpp/lib"
  arguments+=" -DCMAKE_PROJECT_llama_cpp_INCLUDE=$(printf %q "$here/cells.cmake")"
  if [[ $cross ]]; then arguments+=" -DCMAKE_TOOLCHAIN_FILE=$(printf %q "$here/aarch64.cmake")"; fi
  mkdir "$scratch/built"
  _PYTHON_HOST_PLATFORM=linux-aarch64 CMAKE_ARGS=$arguments CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) \
    "$scratch/tools/bin/python" -m pip wheel -v --no-cache-dir --no-deps -w "$scratch/built" "$source" >"$log" 2>&1 ||
    fail "llama-cpp-python could not be built." "All of the output: $log" "$(tail -n 5 "$log")"
  (($(unzip_list "$scratch"/built/*.whl | grep -c 'llama_cpp/lib/libggml-cpu-armv8') >= 5)) ||
    fail "the wheel lacks the libraries of some processors." "All of the output: $log"
  mv "$scratch/built" "$wheel"
}

unzip_list() { python3 -m zipfile -l "$1"; }

# ── everything else ──────────────────────────────────────────────────────────────────────────────

# systemd-python is only published as source; Debian compiles it for each of its Pythons.
repack_systemd() {
  local minor=$1 suite=$2 apt=$scratch/apt-$2 options uri deb tree
  options=(-q -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State::status=/dev/null
    -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Dir::Etc::sourcelist="$apt/sources.list"
    -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root)
  # shellcheck disable=SC2016 # apt fills these in
  uri=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' | awk '$2 == "Debian" { print $1; exit }')
  [[ $uri ]] || fail "systemd-python for Python $minor comes from Debian's packages, and apt here knows no Debian." \
    "Run this on Debian, or on the Raspberry Pi itself."
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" >"$apt/sources.list"
  (cd "$apt" && apt-get "${options[@]}" update && apt-get "${options[@]}" download python3-systemd) >"$log" 2>&1 ||
    fail "python3-systemd of Debian $suite could not be downloaded." "All of the output: $log"
  deb=("$apt"/python3-systemd_*.deb)
  tree=$apt/tree
  dpkg-deb -x "${deb[0]}" "$apt/root"
  mkdir "$tree"
  cp -r "$apt/root/usr/lib/python3/dist-packages/systemd" "$tree/"
  rm -r "$tree/systemd/test"
  mkdir "$tree/systemd_python-235.dist-info"
  cp "$apt"/root/usr/lib/python3/dist-packages/systemd_python-235.egg-info/PKG-INFO \
    "$tree/systemd_python-235.dist-info/METADATA"
  printf '%s\n' "Wheel-Version: 1.0" "Generator: deploy/wheels/build.sh" "Root-Is-Purelib: false" \
    "Tag: cp${minor/./}-cp${minor/./}-linux_$machine" >"$tree/systemd_python-235.dist-info/WHEEL"
  "$scratch/tools/bin/wheel" pack -d "$scratch/$minor" "$tree" >>"$log"
}

suite_of() {
  case $1 in
    3.11) echo bookworm ;;
    3.13) echo trixie ;;
    *) fail "no Debian has Python $1." "Bramble's boards run Debian 12 (3.11) or 13 (3.13)." ;;
  esac
}

collect() {
  local minor=$1 house=$scratch/$1 platform platforms=(--platform "linux_$machine")
  for platform in manylinux2014 manylinux_2_17 manylinux_2_28 manylinux_2_34; do
    platforms+=(--platform "${platform}_$machine")
  done
  say "Collecting wheels for Python $minor …"
  "${pip[@]}" download --only-binary=:all: "${platforms[@]}" --implementation cp --python-version "$minor" \
    --find-links "$house" -d "$house" "$house"/bramble-*.whl >"$log" 2>&1 ||
    fail "wheels for Python $minor could not be collected." "All of the output: $log" "$(tail -n 3 "$log")"
  python3 "$here/lock.py" "$house" >"$house/requirements-$minor.lock"
}

install_packages "$log" "Run it on a Debian-like PC, or on the Raspberry Pi itself."
make_tools
if [[ $arch == amd64 ]]; then
  llama=$(BRAMBLE_CMAKE_ARGS=${portable:+-DGGML_NATIVE=OFF} "$repo/deploy/try.sh" --wheel)
else
  built=$cache/wheels/arm64-$(key)
  [[ -d $built ]] || build_llama "$built"
  llama=$(echo "$built"/*.whl)
fi
say "Packing Bramble …"
"${pip[@]}" wheel --no-deps -w "$scratch/own" "$repo" >"$log" 2>&1 ||
  fail "Bramble's own wheel could not be made." "All of the output: $log" "$(tail -n 5 "$log")"
for each in ${pythons//,/ }; do
  mkdir "$scratch/$each"
  cp "$llama" "$scratch"/own/*.whl "$scratch/$each/"
  repack_systemd "$each" "$(suite_of "$each")"
  collect "$each"
done
find "$output" -maxdepth 1 \( -name '*.whl' -o -name '*.lock' \) -delete
for each in ${pythons//,/ }; do cp "$scratch/$each"/* "$output/"; done
say "$(find "$output" -name '*.whl' | wc -l) wheels, $(du -sh "$output" | cut -f1): $output"
