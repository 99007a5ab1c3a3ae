#!/usr/bin/env bash
# Makes a card's image of the folder that root.sh filled: as root, and with mounts of its own.
# disk.sh WORK IMAGE: WORK/root is the system; its boot and data folders leave it for partitions of their own.
set -euo pipefail

if [[ ! ${BRAMBLE_IMAGE_ALONE:-} ]]; then
  BRAMBLE_IMAGE_ALONE=yes exec unshare --mount --propagation private "$BASH" "$0" "$@"
fi
# shellcheck source=deploy/image/arm.sh
source "$(dirname "${BASH_SOURCE[0]}")/arm.sh"
work=$1 image=$2
root=$work/root
export LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH MTOOLS_SKIP_CHECK=1
boot_mb=512 root_mb=3072 # two releases of Bramble, two kernels, and what apt needs meanwhile
data_mb=$(($(du -sm "$root/var/lib/bramble" | cut -f1) * 11 / 10 + 256))
first_mb=4               # cards like partitions at multiples of this

# The same commit has the same ids, each thing another one.
id() { printf '%s %s' "$SOURCE_DATE_EPOCH" "$1" | sha256sum | cut -c1-"$2"; }
uuid() { id "$1" 32 | sed -E 's/(.{8})(.{4}).(.{3}).(.{3})(.{12})/\1-\2-4\3-8\4-\5/'; }

# NAME MEGABYTES OWNER OPTIONS…, with the mke2fs of the image: that of this machine may lay files out in another way.
make_ext4() {
  local name=$1 owner=$3
  truncate --size "$2M" "$work/$name.part"
  chroot "$root" /usr/bin/env -i SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" TZ=UTC /usr/sbin/mke2fs -q -t ext4 -b 4096 -m 1 \
    -L "bramble-$name" -U "$(uuid "$name")" \
    -E "hash_seed=$(uuid "$name-hash"),lazy_itable_init=0,lazy_journal_init=0,root_owner=$owner" \
    "${@:4}" -d "/mnt/$name" "/mnt/$name.part"
}

make_fat() {
  truncate --size "${boot_mb}M" "$work/boot.part"
  mkfs.vfat --invariant -F 32 -n BRAMBLE -i "$(id boot 8)" "$work/boot.part" >/dev/null
  local file
  cd "$work/boot"
  find . -mindepth 1 -type d | LC_ALL=C sort | while read -r file; do mmd -i "$work/boot.part" "::$file"; done
  find . -type f | LC_ALL=C sort | while read -r file; do mcopy -m -i "$work/boot.part" "$file" "::$file"; done
  cd - >/dev/null
}

# A Pi 3 and a Zero 2 W read an MBR, no GPT.
assemble() {
  local at=$first_mb part
  rm -f "$image"
  truncate --size "$((first_mb + boot_mb + root_mb + data_mb))M" "$image"
  sfdisk --quiet "$image" <<END
label: dos
label-id: 0x$(id disk 8)
start=${first_mb}MiB, size=${boot_mb}MiB, type=c, bootable
start=$((first_mb + boot_mb))MiB, size=${root_mb}MiB, type=83
start=$((first_mb + boot_mb + root_mb))MiB, size=${data_mb}MiB, type=83
END
  for part in boot root data; do
    dd if="$work/$part.part" of="$image" bs=1M seek=$at conv=notrunc,sparse status=none
    at=$((at + $(stat --format %s "$work/$part.part") / 1048576))
  done
}

learn_arm
rm -rf "${work:?}/boot" "${work:?}/data"
owner=$(stat --format %u:%g "$root/var/lib/bramble")
mv "$root/boot/firmware" "$work/boot"
mv "$root/var/lib/bramble" "$work/data"
mkdir "$root/boot/firmware" "$root/var/lib/bramble"
touch --date="@$SOURCE_DATE_EPOCH" "$root/boot/firmware" "$root/boot" "$root/var/lib/bramble" "$root/var/lib"
mount --bind "$work" "$root/mnt"
mount -t proc proc "$root/proc" # mke2fs looks there whether it may
make_ext4 root "$root_mb" 0:0
# Grows with the card: a journal and inodes for what it will be, not for what it is.
make_ext4 data "$data_mb" "$owner" -J size=32 -i 65536
umount "$root/mnt" "$root/proc"
make_fat
assemble
