#!/usr/bin/env bash
# Makes the image of a card: written to one, any 64-bit Raspberry Pi boots from it and Bramble answers, without internet.
# Writes to the output folder and to the cache only; making the system takes root or sudo.
set -euo pipefail

usage() {
  cat <<'END'
Usage: deploy/image/build.sh [--model FILE] [--output DIR] [--url URL] [--wheels DIR] [--keep]

Makes, on a Debian-like PC or a Raspberry Pi, of Debian's packages and this folder's Bramble

  bramble-arm64.img.xz                 for Raspberry Pi Imager, and its SHA256SUMS
  bramble-arm64.rpi-imager-manifest    the same with all that Imager asks for (open it with Imager)
  bramble-arm64.cdx.json               what is on it: packages, wheels, model (CycloneDX)

About half an hour, after 25 minutes for the wheels the first time; 8 GB of disk. Same commit, same packages: same image.

  --model FILE    the GGUF file that answers (default: the starter, until a better one could be fetched)
  --output DIR    where to (default: here)
  --url URL       the folder of the web where you will put them, for the manifest (default: where they are now)
  --wheels DIR    a wheelhouse that is there already (deploy/wheels/build.sh)
  --keep          keep bramble-arm64.img, too

Environment: XDG_CACHE_HOME (wheels and Ansible are kept in its bramble/), TMPDIR (where the system is made).
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=deploy/common.sh
source "$repo/deploy/common.sh"
name=bramble-arm64
model='' output=. url='' wheels='' keep=''
while (($#)); do
  case $1 in
    --model)
      [[ -f ${2:-} ]] || fail "there is no model at ${2:-(nothing)}." "Name a GGUF file of this machine."
      [[ $(head -c 4 "$2") == GGUF ]] || fail "$2 is no GGUF file." "Others have to be converted first."
      model=$(realpath "$2"); shift ;;
    --output) output=${2:?--output wants a folder}; shift ;;
    --url)
      [[ ${2:-} =~ ^https?://[^[:space:]]+$ ]] || fail "${2:-(nothing)} is no address of a folder." "Write it like https://…"
      url=$2; shift ;;
    --wheels)
      [[ -f ${2:-}/requirements-3.13.lock ]] ||
        fail "${2:-(nothing)} has nothing for Python 3.13." "Make it: deploy/wheels/build.sh --arch arm64 --python 3.13"
      wheels=$(realpath "$2"); shift ;;
    --keep) keep=yes ;;
    --help | -h) usage; exit 0 ;;
    *) misused "unknown option: $1" ;;
  esac
  shift
done
mkdir -p "$output" "$cache"
output=$(realpath "$output")
as_root=()
((EUID == 0)) || as_root=(sudo)

# ── what building takes ──────────────────────────────────────────────────────────────────────────

missing_packages() {
  command -v mmdebstrap >/dev/null || printf '%s\n' mmdebstrap
  command -v arch-test >/dev/null || printf '%s\n' arch-test
  command -v mcopy >/dev/null || printf '%s\n' mtools
  command -v xz >/dev/null || printf '%s\n' xz-utils
  command -v git >/dev/null || printf '%s\n' git
  PATH=$PATH:/usr/sbin command -v mkfs.vfat >/dev/null || printf '%s\n' dosfstools
  PATH=$PATH:/usr/sbin command -v sfdisk >/dev/null || printf '%s\n' fdisk
  if [[ $(uname -m) != aarch64 ]]; then
    command -v qemu-aarch64-static >/dev/null || command -v qemu-aarch64 >/dev/null || printf '%s\n' qemu-user-static
  fi
  python3 -c 'import ensurepip, venv' 2>/dev/null || printf '%s\n' python3-venv
}

make_wheels() {
  wheelhouse=${wheels:-$cache/wheelhouse-arm64}
  [[ $wheels ]] || "$repo/deploy/wheels/build.sh" --arch arm64 --python 3.13 --output "$wheelhouse"
}

require_space() {
  local free
  for each in "$output" "${TMPDIR:-/tmp}"; do
    free=$(df -Pm "$each" | awk 'NR == 2 { print $4 }')
    ((free >= 8000)) || fail "this takes 8 GB, and $each has $free MB left." "Free some space there, or set TMPDIR."
  done
}

# ── the image ────────────────────────────────────────────────────────────────────────────────────

require_space
install_packages "$cache/image-apt.log" "Run it on a Debian-like PC."
make_ansible
make_wheels
# The starter, where this machine has it and it is whole; else the role fetches it.
starter=${XDG_DATA_HOME:-$HOME/.local/share}/bramble/models/SmolLM2-135M-Instruct.Q4_1.gguf
if [[ ! -f $starter ]] || ! grep -q "$(sha256sum <"$starter" | cut -d' ' -f1)" "$repo/daemon/bramble/models/catalogue.yaml"; then
  starter=''
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$repo" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$repo/daemon/bramble/__init__.py")
work=$(mktemp -d)
trap '"${as_root[@]}" rm -rf "$work"' EXIT
chmod 755 "$work"
image=$output/$name.img
root_path=$PATH:/usr/sbin:/sbin
run_as_root() { "${as_root[@]}" env PATH="$root_path" SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" "$@"; }

run_as_root "$here/root.sh" "$work/root" "$wheelhouse" "$ansible" "$model" "$starter"
say "Making the card …"
run_as_root "$here/disk.sh" "$work" "$image"
say "Packing it …"
xz --threads=2 --keep --force "$image"
run_as_root python3 "$here/records.py" --root "$work/root" --data "$work/data" --image "$image" --packed "$image.xz" \
  --url "$url" --version "$version" --epoch "$SOURCE_DATE_EPOCH"
run_as_root chown "$(id -u):$(id -g)" "$output/$name".*
size=$(($(stat --format %s "$image") / 1000000)) packed=$(($(stat --format %s "$image.xz") / 1000000))
if [[ ! $keep ]]; then rm "$image"; fi
(cd "$output" && sha256sum "$name".* >SHA256SUMS)
say "$image.xz: $packed MB, $size MB on the card. Write it with Raspberry Pi Imager, then edit bramble.yaml on it."
