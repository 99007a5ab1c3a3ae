#!/usr/bin/env bash
# Everything that must hold: format, lint, types, imports, shell scripts, tests. With arguments: pytest alone, with them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deploy/try.sh --setup-only
export PATH=$PWD/.venv/bin:$PATH

# The first of these commands that exists, else the package that brings it.
need() { # package, command...
  local package=$1 as_root=()
  shift
  if command -v "$@" >/dev/null; then return; fi
  ((EUID == 0)) || as_root=(sudo)
  echo "Installing $package …"
  "${as_root[@]}" apt-get update -q >/dev/null
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "$package" >/dev/null
}

stamp=$(sha256sum pyproject.toml .venv/bramble-stamp)
if [[ ! -f .venv/tests-stamp || $(<.venv/tests-stamp) != "$stamp" ]]; then
  echo "Installing what the tests need into .venv …"
  python -m pip install -q -e '.[test]'
  printf '%s\n' "$stamp" >.venv/tests-stamp
fi
need chromium chromium chromium-browser google-chrome

if (($# == 0)); then
  need shellcheck shellcheck
  need systemd systemd-analyze
  ruff format --check --quiet
  ruff check --quiet
  PYRIGHT_PYTHON_IGNORE_WARNINGS=1 pyright
  lint-imports
  shellcheck .ci/run deploy/*.sh deploy/*/*.sh tests/*.sh tests/bench/*.sh
  ansible-lint --offline --nocolor -q --profile production deploy/site.yml deploy/uninstall.yml
fi
exec pytest "$@"
