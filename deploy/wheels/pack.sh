#!/usr/bin/env bash
# Packs a wheelhouse into one signed file, which appliances take with `sudo bramble update FILE`.
set -euo pipefail

usage() {
  cat <<'END'
Usage: deploy/wheels/pack.sh --key SECRET [--output DIR] WHEELHOUSE

Writes bramble-VERSION-ARCH.tar (the wheels, their locks, the units of systemd/) and its signature, .tar.minisig.
Put both where appliances find them, side by side, or copy them to one.

  --key SECRET    the secret key of minisign; make a pair once with minisign -G -s SECRET -p PUBLIC, keep the secret one
                  off the appliances and give them the public one: deploy/deploy.sh --update-key PUBLIC
  --output DIR    where to (default: here)
END
}

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=deploy/common.sh
source "$repo/deploy/common.sh"
key='' output=. house=''
while (($#)); do
  case $1 in
    --key) key=${2:?--key wants a file}; shift ;;
    --output) output=${2:?--output wants a folder}; shift ;;
    --help | -h) usage; exit 0 ;;
    -*) misused "unknown option: $1" ;;
    *) house=$1 ;;
  esac
  shift
done
[[ $house && $key ]] || misused "which wheelhouse, and which key?"
[[ -f $key ]] || fail "there is no key at $key." "Make one: minisign -G -s $key -p ${key%.key}.pub"
command -v minisign >/dev/null || fail "this needs minisign." "On Debian: apt install minisign"
wheels=("$house"/bramble-*.whl)
[[ -f ${wheels[0]} ]] || fail "$house holds no Bramble." "Make a wheelhouse: deploy/wheels/build.sh --output $house"
version=$(basename "${wheels[0]}" | cut -d- -f2)
case $(find "$house" -name 'llama_cpp_python-*.whl') in
  *aarch64.whl) arch=arm64 ;;
  *x86_64.whl) arch=amd64 ;;
  *) fail "$house holds no llama-cpp-python, or several." "Make it anew: deploy/wheels/build.sh --output $house" ;;
esac

mkdir -p "$output"
pack=$output/bramble-$version-$arch.tar
cd "$house"
names=(*.whl requirements-*.lock)
cd - >/dev/null
# The same wheels give the same file.
tar --create --file "$pack" --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
  -C "$house" "${names[@]}" -C "$repo" systemd
minisign -S -s "$key" -m "$pack" -t "Bramble $version for $arch, $(sha256sum "$pack" | cut -c1-16)" >/dev/null
printf '%s\n' "$pack and $pack.minisig: $(du -h "$pack" | cut -f1)"
