#!/usr/bin/env bash
# The first boot of a card that card.sh prepared: runs the deployment on this machine. cloud-init calls it once, as root.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
log=/var/log/bramble-first-boot.log
flags=$(cat /boot/firmware/cmdline.txt 2>/dev/null || true)
scratch=$(mktemp -d)

# A FAT partition that a PC can read is where people look when no page comes.
report() {
  local status=$?
  rm -rf "$scratch"
  if ((status)); then
    { printf 'Bramble could not be installed. All of it is in %s on the Pi; the end:\n\n' "$log"; tail -n 40 "$log"; } \
      >"$here/FAILED.txt"
  else
    rm -rf "$here/wheels" "$here/ansible" "$here/FAILED.txt" "$here"/*.gguf
  fi
  sync
}
trap report EXIT
exec >>"$log" 2>&1

# No venv: Raspberry Pi OS may lack python3-venv until the deployment brings it.
pip=("$here"/ansible/pip-*.whl)
python3 "${pip[0]}/pip" install --quiet --no-index --find-links "$here/ansible" --target "$scratch" ansible-core
# Not by PYTHONPATH, which pip would inherit: what is there need not be installed, it would think.
playbook='import sys; sys.path.insert(0, sys.argv.pop(1)); from ansible.cli.playbook import main; main()'
for ((try = 1; ; try++)); do # the network and its clock may come later
  if ANSIBLE_CONFIG=$here/deploy/ansible.cfg ANSIBLE_HOME=$scratch/home \
    python3 -c "$playbook" "$scratch" -i bramble, -c local -e ansible_host=localhost \
    -e ansible_python_interpreter=/usr/bin/python3 -e "@$here/settings.yml" "$here/deploy/site.yml"; then
    break
  fi
  ((try < 5)) || exit 1
  sleep 30
done
if [[ $(cat /boot/firmware/cmdline.txt 2>/dev/null || true) != "$flags" ]]; then systemctl --no-block reboot; fi
