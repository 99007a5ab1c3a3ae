# shellcheck shell=bash
# Sourced by the scripts here: how they speak, and the Ansible that some of them run.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/bramble
ansible=$cache/ansible

say() { printf '%s\n' "$*"; }

fail() { # what is wrong, then what to do
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  shift
  printf '%s\n' "$@" >&2
  exit 1
}

misused() { # what cannot be understood
  usage >&2
  printf '\n%s: %s\n' "${0##*/}" "$1" >&2
  exit 2
}

# Ansible in an environment of its own.
make_ansible() {
  [[ -x $ansible/bin/ansible-playbook ]] && return
  command -v python3 >/dev/null || fail "this needs Python 3.11 or newer." "On macOS: brew install python"
  say "Installing Ansible into $ansible …"
  mkdir -p "$cache"
  if ! { python3 -m venv --clear "$ansible" &&
    "$ansible/bin/python" -m pip install -q --disable-pip-version-check 'ansible-core>=2.18,<2.21'; }; then
    fail "Ansible could not be installed." "Check the network and how pip is configured."
  fi
}
