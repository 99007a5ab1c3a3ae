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

# A step whose output went to a log has failed: show its end, and say why where the cause is known.
explain_log() {
  local where="All of the output: $1" end
  tail -n 20 "$1" >&2
  end=$(tail -n 200 "$1")
  if grep -q 'No space left on device' <<<"$end"; then
    fail "$2: the disk is full." "Free some space and run this again." "$where"
  fi
  if grep -qE 'Killed signal|out of memory' <<<"$end"; then
    fail "$2: memory ran out." "Stop other programs or add swap, and run this again." "$where"
  fi
  if grep -qE 'Temporary failure|Could not resolve|Retrying \(|No matching distribution' <<<"$end"; then
    fail "$2: the package index cannot be reached, or lacks it." \
      "Check the network, and how apt and pip are configured. Then run this again." "$where"
  fi
  fail "$2." "$where"
}

# What Debian calls the programs that the script's own `missing_packages` prints.
install_packages() { # log file, what to do where there is no apt-get
  local packages as_root=()
  mapfile -t packages < <(missing_packages)
  ((${#packages[@]})) || return 0
  command -v apt-get >/dev/null ||
    fail "this needs what Debian calls ${packages[*]}, and there is no apt-get here." "$2"
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      fail "these packages are missing: ${packages[*]}; installing them takes root or sudo." \
        "As root: apt-get install ${packages[*]}"
    as_root=(sudo)
  fi
  say "Installing ${packages[*]} (a minute or two) …"
  { "${as_root[@]}" apt-get update -q && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${packages[@]}"; } >"$1" 2>&1 ||
    explain_log "$1" "apt could not install ${packages[*]}"
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
