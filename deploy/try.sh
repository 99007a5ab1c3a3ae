#!/usr/bin/env bash
# Takes a fresh Debian-like machine to a running Bramble, as root or with sudo, without systemd.
# Besides packages from apt it only writes to .venv here, to the cache, and to Bramble's own folders.
set -euo pipefail

usage() {
  cat <<'END'
Usage: deploy/try.sh [--setup-only | --wheel] [-- OPTIONS...]

Installs what is missing, makes .venv, builds llama-cpp-python for this processor (about 10 minutes
on a PC, up to an hour on a Raspberry Pi, once), fetches the starter model and serves.
It can be run again: what is done already is not done twice.

  --setup-only   stop before serving
  --wheel        only build llama-cpp-python for this processor and say where it is
  -- OPTIONS     go to `bramble serve`, like -- --set server.port=8123

Environment: PYTHON (the Python to use, 3.11 or newer), BRAMBLE_CMAKE_ARGS (more build flags),
XDG_CACHE_HOME (the built wheel is kept in its bramble/wheels).
END
}

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/common.sh
source "$repo/deploy/common.sh"

setup_only='' only_wheel=''
while (($#)); do
  case $1 in
    --setup-only) setup_only=yes ;;
    --wheel) only_wheel=yes ;;
    --help | -h) usage; exit 0 ;;
    --) shift; break ;;
    *) misused "unknown option: $1" ;;
  esac
  shift
done

python=${PYTHON:-python3}
venv=$repo/.venv
wheels=$cache/wheels
mkdir -p "$wheels"

version=$(sed -n 's/.*"llama-cpp-python==\([^"]*\)".*/\1/p' "$repo/pyproject.toml")
# Without ggml's AMX kernels: where a virtual machine tells of AMX but lacks it they end the process, and weights are not re-tiled.
cmake_args="-DLLAVA_BUILD=OFF -DLLAMA_OPENSSL=OFF -DGGML_RPC=ON -DGGML_RPC_RDMA=OFF -DCMAKE_C_FLAGS=-U__AMX_INT8__ -DCMAKE_CXX_FLAGS=-U__AMX_INT8__${BRAMBLE_CMAKE_ARGS:+ $BRAMBLE_CMAKE_ARGS}"

cells=$repo/deploy/wheels/cells.cmake

digest() { sha256sum | cut -c1-16; }

# The wheel runs only where all of this is the same: the compiler uses what this very processor can.
wheel_key() {
  {
    printf '%s\n' "$version" "$cmake_args" "$(uname -m)" "$("$python" -VV)"
    cat "$cells"
    grep -E '^(model name|flags|Features|CPU [a-z]+)' /proc/cpuinfo | sort -u
  } | digest
}

stamp() { { printf '%s\n' "$repo" "$(wheel_key)"; cat "$repo/pyproject.toml"; } | digest; }

is_set_up() {
  [[ -x $venv/bin/bramble && -f $venv/bramble-stamp ]] && command -v "$python" >/dev/null &&
    [[ $(<"$venv/bramble-stamp") == "$(stamp)" ]]
}

# Hold the lock on the folder that is open as file descriptor $1.
take_turn() { flock -n "$1" || { say "The same is under way already; waiting for it …"; flock "$1"; }; }

# ── packages ─────────────────────────────────────────────────────────────────────────────────────

python_lacks() { ! "$python" -c "$1" 2>/dev/null; }

missing_packages() {
  if ! command -v "$python" >/dev/null; then
    printf '%s\n' python3 python3-venv python3-dev
  else
    python_lacks 'import ensurepip, venv' && printf '%s\n' python3-venv
    python_lacks 'import os, sysconfig as s; os.stat(s.get_path("include") + "/Python.h")' &&
      printf '%s\n' python3-dev
  fi
  command -v g++ >/dev/null || printf '%s\n' g++
  command -v cmake >/dev/null || printf '%s\n' cmake
  command -v ninja >/dev/null || printf '%s\n' ninja-build
  command -v pkg-config >/dev/null || printf '%s\n' pkg-config
  pkg-config --exists libsystemd 2>/dev/null || printf '%s\n' libsystemd-dev
}

require_python() {
  command -v "$python" >/dev/null || return 0
  if python_lacks 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    fail "Bramble needs Python 3.11 or newer, and $python is $("$python" -V 2>&1)." \
      "Name another one, like PYTHON=/usr/bin/python3.13, or use Debian 12 or newer."
  fi
}

require_space() {
  local folder free
  for folder in "$wheels" "$repo"; do
    free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1024) }')
    ((free >= 3000)) ||
      fail "setting up takes 3 GB, and $folder has $free MB left." "Free some space there."
  done
}

# ── llama-cpp-python ─────────────────────────────────────────────────────────────────────────────

# A compiler takes up to 0.7 GB: on a small Raspberry Pi as many as there are cores would not fit.
jobs() {
  awk -v cores="$(nproc)" '/^MemAvailable/ { fit = int($2 / 700000) }
    END { print fit < 1 ? 1 : fit < cores ? fit : cores }' /proc/meminfo
}

# pip's output → how far the compiler is.
show_progress() {
  local line percent told=-10
  SECONDS=0
  while IFS= read -r line; do
    [[ $line =~ ^\ *\[([0-9]+)/([0-9]+)\] ]] || continue
    percent=$((100 * BASH_REMATCH[1] / BASH_REMATCH[2]))
    if [[ -t 1 ]]; then
      printf '\r  %3d %% after %d min ' "$percent" $((SECONDS / 60))
    elif ((percent >= told + 10)); then
      say "  $percent % after $((SECONDS / 60)) min"
      told=$percent
    fi
  done
  if [[ -t 1 ]]; then say; fi
}

# One build at a time on this machine; a wheel appears in the cache whole or not at all.
build_wheel() {
  local key=$1 log=$wheels/build-$1.log scratch
  take_turn 9
  [[ ! -d $wheels/$key ]] || return 0
  rm -rf "$wheels"/tmp.*
  scratch=$(mktemp -d --tmpdir="$wheels")
  mkdir "$scratch/tmp" "$scratch/wheel"
  say "Building llama-cpp-python $version for this processor: about 10 minutes on a PC, up to an hour on a Raspberry Pi …"
  # pip's own cache knows neither flags nor processor, so it must not answer here.
  if ! TMPDIR=$scratch/tmp CMAKE_ARGS="$cmake_args -DCMAKE_PROJECT_llama_cpp_INCLUDE=$(printf %q "$cells")" \
    CMAKE_BUILD_PARALLEL_LEVEL=$(jobs) PYTHONUNBUFFERED=1 \
    "$venv/bin/python" -m pip wheel -v --no-cache-dir --no-deps --no-binary llama-cpp-python \
    -w "$scratch/wheel" "llama-cpp-python==$version" 2>&1 | tee "$log" | show_progress; then
    rm -rf "$scratch"
    explain_log "$log" "llama-cpp-python could not be built"
  fi
  mv "$scratch/wheel" "$wheels/$key"
  rm -rf "$scratch"
}

# ── .venv ────────────────────────────────────────────────────────────────────────────────────────

make_venv() {
  # One that was copied from elsewhere, or is of another Python, would only half work.
  if [[ "$("$venv/bin/python" -VV 2>&1)" != "$("$python" -VV)" ]] ||
    ! grep -qsF " $venv" "$venv/pyvenv.cfg" || ! "$venv/bin/python" -m pip -V >/dev/null 2>&1; then
    say "Making .venv …"
    "$python" -m venv --clear "$venv"
  fi
}

install_bramble() {
  local wheel=$1 log=$wheels/install.log
  say "Installing Bramble into .venv (a few minutes on a Raspberry Pi) …"
  if ! { "$venv/bin/python" -m pip install --force-reinstall --no-deps "$wheel" &&
    "$venv/bin/python" -m pip install -e "$repo"; } >"$log" 2>&1; then
    explain_log "$log" "Bramble could not be installed into .venv"
  fi
}

make_wheel() {
  local key still
  require_python
  require_space
  install_packages "$wheels/apt.log" "Install them in this system's own way and run this again."
  still=$(missing_packages)
  [[ ! $still ]] || fail "apt has done its work, and still $python or a tool is not what building takes." \
    "Missing: ${still//$'\n'/ }. Name a Python 3.11 or newer that has its headers, like PYTHON=/usr/bin/python3."
  require_python
  make_venv
  key=$(wheel_key)
  if [[ ! -d $wheels/$key ]]; then (build_wheel "$key") 9<"$wheels"; fi
}

set_up() {
  make_wheel
  install_bramble "$wheels/$(wheel_key)"/*.whl
  stamp >"$venv/bramble-stamp"
}

if [[ $only_wheel ]]; then
  make_wheel >&2
  echo "$wheels/$(wheel_key)"/*.whl
  exit
fi

# Two at once in the same folder take turns; whoever comes second finds everything done.
is_set_up || (take_turn 8; is_set_up || set_up) 8<"$repo"

"$venv/bin/bramble" models fetch starter "$@"
[[ -z $setup_only ]] || exit 0
exec "$venv/bin/bramble" serve "$@"
