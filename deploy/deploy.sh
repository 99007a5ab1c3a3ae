#!/usr/bin/env bash
# Makes a Raspberry Pi (or a Debian machine) that ssh reaches an appliance: for people who do not know Ansible.
# Here it only writes to the cache; on the machine it does what deploy/roles/bramble says.
set -euo pipefail

usage() {
  cat <<'END'
Usage: deploy/deploy.sh [OPTIONS] [USER@]HOST...

Installs Bramble on each HOST as a service, or updates it there, and asks it one question at the end.
What is missing is found out or made: the wheels for its processor (once, about 25 minutes), Ansible.
A release that does not answer is taken back; run again, nothing is done twice. Settings are never overwritten.

  --check          say what would change, and change nothing
  --model FILE     a GGUF file from this machine that is to answer (then HOST needs no internet for a model)
  --name NAME      give the machine this name; its page is then http://NAME.local
  --port PORT      where the page is to be (80)
  --https          serve https at port 443, with a certificate that the machine makes itself
  --private-network  let nothing through but the home network, in neither direction; goes with --model
  --worker         not an appliance, but a machine that computes a part of another one's model (deploy/fleet/README.md)
  --reboot         restart the machine if its kernel flags had to be changed
  --update-key PUB the public key of minisign whose updates `sudo bramble update` takes (deploy/wheels/pack.sh)
  --wheels DIR     a wheelhouse that is there already (deploy/wheels/build.sh)
  --uninstall      take Bramble off again; conversations, models and settings stay
  --purge          with --uninstall: delete those, too
  --ssh OPTIONS    more options for ssh, like '-p 2222'
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/common.sh
source "$here/common.sh"
playbook=site.yml wheels='' ssh_options='' hosts=() options=() check=''
while (($#)); do
  case $1 in
    --check) check=yes; options+=(--check --diff) ;;
    --model)
      [[ -f ${2:-} ]] || fail "there is no model at ${2:-(nothing)}." "Name a GGUF file of this machine."
      options+=(--extra-vars "bramble_model=$(realpath "$2")"); shift ;;
    --name) options+=(--extra-vars "bramble_name=${2:?--name wants a name}"); shift ;;
    --port)
      [[ ${2:-} =~ ^[0-9]{1,5}$ ]] || fail "--port wants a number."
      options+=(--extra-vars "{\"bramble_port\": $2}"); shift ;;
    --https) options+=(--extra-vars '{"bramble_https": true, "bramble_port": 443}') ;;
    --private-network) options+=(--extra-vars '{"bramble_private_network": true}') ;;
    --worker) options+=(--extra-vars '{"bramble_worker": true}') ;;
    --reboot) options+=(--extra-vars '{"bramble_reboot": true}') ;;
    --update-key)
      [[ -f ${2:-} ]] || fail "there is no key at ${2:-(nothing)}." "Name a public key of minisign."
      options+=(--extra-vars "bramble_update_key=$(realpath "$2")"); shift ;;
    --wheels) wheels=$(realpath "${2:?--wheels wants a folder}"); shift ;;
    --uninstall) playbook=uninstall.yml ;;
    --purge) options+=(--extra-vars '{"bramble_purge": true}') ;;
    --ssh) ssh_options=${2:?--ssh wants options}; options+=(--ssh-common-args="$2"); shift ;;
    --help | -h) usage; exit 0 ;;
    -*) misused "unknown option: $1" ;;
    *) hosts+=("$1") ;;
  esac
  shift
done
((${#hosts[@]})) || misused "which machine?"

# ── what the machines are ────────────────────────────────────────────────────────────────────────

# shellcheck disable=SC2086 # options are several words
reach() { ssh -o ConnectTimeout=10 $ssh_options "$@"; }

# What a PC's processor can do: a machine that differs in it gets wheels that ask for less.
abilities='grep -m 1 "^flags" /proc/cpuinfo | cksum'

# Processor, Python and abilities of a host.
describe() {
  reach "$1" "uname -m; python3 -c 'import sys; print(*sys.version_info[:2], sep=\".\")'; $abilities" ||
    fail "$1 cannot be reached by ssh, or has no python3." "Try: ssh $1 python3 --version"
}

make_wheels() {
  local host machine python able arch facts portable
  for host in "${hosts[@]}"; do
    facts=$(describe "$host")
    { read -r machine; read -r python; read -r able; } <<<"$facts"
    portable=''
    case $machine in
      aarch64) arch=arm64 ;;
      x86_64)
        arch=amd64
        if [[ $able != "$(eval "$abilities")" ]]; then portable=-portable; fi
        ;;
      *) fail "$host is a 32-bit or unknown machine ($machine)." "Flash the 64-bit Raspberry Pi OS." ;;
    esac
    say "$host: $machine, Python $python"
    house=${wheels:-$cache/wheelhouse-$arch$portable}
    if [[ ! $wheels ]]; then
      "$here/wheels/build.sh" --arch "$arch" ${portable:+--portable} --python "$python" --output "$house"
    fi
    inventory+="    \"$host\": {ansible_host: \"${host#*@}\", bramble_wheelhouse: \"$house\""
    if [[ $host == *@* ]]; then inventory+=", ansible_user: \"${host%%@*}\""; fi
    inventory+="}"$'\n'
  done
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
inventory="bramble:"$'\n'"  hosts:"$'\n'
make_ansible
make_wheels
printf '%s' "$inventory" >"$scratch/hosts.yml"
if [[ $check ]]; then say "What would change:"; fi
cd "$here"
ANSIBLE_CONFIG=$here/ansible.cfg "$ansible/bin/ansible-playbook" -i "$scratch/hosts.yml" ${options[@]+"${options[@]}"} "$playbook"
