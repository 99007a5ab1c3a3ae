#!/usr/bin/env bash
# Puts Bramble on a card that Raspberry Pi Imager has just written: it installs itself on the first boot.
# Writes to the card's boot partition and to the cache only.
set -euo pipefail

usage() {
  cat <<'END'
Usage: deploy/cloud-init/card.sh [OPTIONS] BOOT

BOOT is where the boot partition of a fresh card with the 64-bit Raspberry Pi OS (trixie) is mounted, like
/media/you/bootfs or /Volumes/bootfs. What Imager set there (name, Wi-Fi, user) stays. Put the card into the Pi, wait
ten minutes, open http://NAME.local. What went wrong is in bramble/FAILED.txt of the same partition.

  --model FILE     a GGUF file that is to answer, where it fits (then the Pi needs no internet for a model)
  --name NAME      give the machine this name
  --python VERSION Python of the system on the card (3.13, that of trixie)
  --arch ARCH      arm64; amd64 for other machines that run cloud-init
  --wheels DIR     a wheelhouse that is there already (deploy/wheels/build.sh)
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=deploy/common.sh
source "$repo/deploy/common.sh"
arch=arm64 python=3.13 wheels='' model='' name='' boot=''
while (($#)); do
  case $1 in
    --model)
      [[ -f ${2:-} ]] || fail "there is no model at ${2:-(nothing)}." "Name a GGUF file of this machine."
      model=$(realpath "$2"); shift ;;
    --name)
      [[ ${2:-} =~ ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ ]] ||
        fail "${2:-(nothing)} cannot be a machine's name." "Use small letters, digits and - in between."
      name=$2; shift ;;
    --python)
      [[ ${2:-} =~ ^3\.[0-9]+$ ]] || fail "${2:-(nothing)} is no Python version." "Write it like 3.13."
      python=$2; shift ;;
    --arch) arch=${2:?--arch wants arm64 or amd64}; shift ;;
    --wheels) wheels=$(realpath "${2:?--wheels wants a folder}"); shift ;;
    --help | -h) usage; exit 0 ;;
    -*) misused "unknown option: $1" ;;
    *) boot=$1 ;;
  esac
  shift
done
[[ $boot ]] || misused "where is the card?"
case $arch in
  arm64) machine=aarch64 ;;
  amd64) machine=x86_64 ;;
  *) fail "there is nothing for $arch." "There are arm64 and amd64." ;;
esac
[[ -f $boot/user-data ]] || fail "$boot is no boot partition of a system with cloud-init: it has no user-data." \
  "Write the card with Raspberry Pi Imager 2 and the 64-bit Raspberry Pi OS (trixie), take it out, put it in again."
if grep -q '^runcmd:' "$boot/user-data" && ! grep -q 'bramble/first-boot.sh' "$boot/user-data"; then
  fail "the card runs commands of its own on the first boot (runcmd in $boot/user-data)." \
    "Add this line there, then run this again:  - [bash, /boot/firmware/bramble/first-boot.sh]"
fi

wheelhouse=${wheels:-$cache/wheelhouse-$arch}
if [[ ! $wheels ]]; then "$repo/deploy/wheels/build.sh" --arch "$arch" --python "$python" --output "$wheelhouse"; fi
[[ -f $wheelhouse/requirements-$python.lock ]] ||
  fail "$wheelhouse has nothing for Python $python." "Make it: deploy/wheels/build.sh --arch $arch --python $python"

tools=$cache/first-boot-$arch-$python
if [[ ! -f $tools/complete ]]; then
  say "Collecting Ansible for the Pi …"
  rm -rf "$tools"
  mkdir -p "$tools"
  platforms=()
  for each in linux manylinux2014 manylinux_2_17 manylinux_2_28 manylinux_2_34; do
    platforms+=(--platform "${each}_$machine")
  done
  python3 -m pip --disable-pip-version-check download -q --only-binary=:all: "${platforms[@]}" \
    --implementation cp --python-version "$python" -d "$tools" pip 'ansible-core>=2.18,<2.21' ||
    fail "Ansible could not be collected." "Check the network and how pip is configured."
  touch "$tools/complete"
fi

need=$(du -sm "$wheelhouse" "$tools" ${model:+"$model"} | awk '{ sum += $1 } END { print sum }')
free=$(df -Pm "$boot" | awk 'NR == 2 { print $4 }')
((need + 10 < free)) || fail "this takes $need MB, and $free MB are free on $boot." \
  "${model:+Leave --model out: the Pi fetches a model itself, or bring it later.}"
say "Writing $need MB to $boot …"
rm -rf "$boot/bramble"
mkdir -p "$boot/bramble/deploy" "$boot/bramble/wheels"
cp "$wheelhouse"/*.whl "$wheelhouse/requirements-$python.lock" "$boot/bramble/wheels/"
cp -r "$tools" "$boot/bramble/ansible"
cp -r "$repo/deploy/site.yml" "$repo/deploy/ansible.cfg" "$repo/deploy/roles" "$boot/bramble/deploy/"
cp -r "$repo/systemd" "$here/first-boot.sh" "$boot/bramble/"
{
  printf 'bramble_wheelhouse: /boot/firmware/bramble/wheels\n'
  if [[ $name ]]; then printf 'bramble_name: %s\n' "$name"; fi
  if [[ $model ]]; then
    cp "$model" "$boot/bramble/"
    printf 'bramble_model: "/boot/firmware/bramble/%s"\n' "$(basename "$model")"
  fi
} >"$boot/bramble/settings.yml"
if ! grep -q 'bramble/first-boot.sh' "$boot/user-data"; then
  printf '\nruncmd:\n  - [bash, /boot/firmware/bramble/first-boot.sh]\n' >>"$boot/user-data"
fi
sync
say "Done. Put the card into the Pi; after about ten minutes its page is there."
