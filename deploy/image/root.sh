#!/usr/bin/env bash
# The part of build.sh that needs root: makes the system of the image in a folder. Its mounts are its own and go with it.
# root.sh ROOT WHEELHOUSE ANSIBLE MODEL STARTER, each an absolute path; MODEL and STARTER may be empty.
set -euo pipefail

if [[ ! ${BRAMBLE_IMAGE_ALONE:-} ]]; then
  BRAMBLE_IMAGE_ALONE=yes exec unshare --mount --uts --propagation private "$BASH" "$0" "$@"
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=deploy/common.sh
source "$repo/deploy/common.sh"
root=$1 wheelhouse=$2 ansible=$3 model=$4 starter=$5
suite=trixie
# shellcheck source=deploy/image/arm.sh
source "$here/arm.sh"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH
umask 022

packages=(
  # the system
  systemd-sysv udev dbus kmod procps iproute2 hostname sudo ca-certificates zstd systemd-zram-generator
  # the card, and the boards' own
  "linux-image-arm64/$suite-backports" initramfs-tools raspi-firmware e2fsprogs dosfstools fdisk cloud-guest-utils
  # the network
  systemd-resolved systemd-timesyncd avahi-daemon wpasupplicant wireless-regdb firmware-brcm80211 openssh-server
  # what Bramble runs on
  python3 python3-venv python3-yaml libgomp1
)

# Where apt here gets Debian from; the image gets it from there, too.
sources() {
  local main security line='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
  # shellcheck disable=SC2016 # apt fills these in
  main=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' | awk '$2 == "Debian" { print $1; exit }')
  # shellcheck disable=SC2016
  security=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' | awk '$2 == "Debian-Security" { print $1; exit }')
  [[ $main ]] || fail "the image is made of Debian's packages, and apt here knows no Debian." "Run this on Debian."
  for each in "$suite" "$suite-updates" "$suite-backports"; do printf 'deb %s %s %s main non-free-firmware\n' "$line" "$main" "$each"; done
  if [[ $security ]]; then printf 'deb %s %s %s main non-free-firmware\n' "$line" "$security" "$suite-security"; fi
}

unpack() {
  say "Unpacking Debian $suite for ARM …"
  # The initrd would be made twice, which takes an emulator minutes; fill_boot makes it once.
  sources | INITRD=No mmdebstrap --quiet --mode=root --architectures=arm64 --variant=minbase --format=directory \
    --include="$(IFS=,; echo "${packages[*]}")" --dpkgopt=force-confold --aptopt='APT::Install-Recommends "false"' \
    --setup-hook="cp -rd '$here/files/.' \"\$1/\" && chmod -R u=rwX,go=rX \"\$1\"" \
    --setup-hook="mkdir -p \"\$1/boot/firmware\"" \
    "$suite" "$root" -
}

# What the role needs of a running machine: its processes, devices and how it finds hosts.
mount_system() {
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/run"
  mount -t tmpfs tmpfs "$root/tmp"
  mkdir -p "$root/run/systemd/resolve"
  cp /etc/resolv.conf "$root/run/systemd/resolve/stub-resolv.conf"
}

unmount_system() { umount "$root/tmp" "$root/run" "$root/dev" "$root/proc"; }

# A command in the system of the image, with nothing of the environment here.
inside() {
  chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC \
    DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" "$@"
}

fill_boot() {
  local kernel
  kernel=$(basename "$root"/boot/vmlinuz-*)
  kernel=${kernel#vmlinuz-}
  say "Making what kernel $kernel boots with …"
  inside /etc/kernel/postinst.d/00-bramble-dtb "$kernel"
  inside update-initramfs -c -k "$kernel"
  inside env DEB_MAINT_PARAMS="'configure' ''" /etc/kernel/postinst.d/z50-raspi-firmware "$kernel" "/boot/vmlinuz-$kernel"
  [[ -f $root/boot/firmware/bcm2712-rpi-5-b.dtb ]] || fail "kernel $kernel brings no device tree of the Pi 5."
  # The Pi's firmware starts a plain image, and none that unpacks itself by EFI.
  [[ $(tail -c +57 "$root/boot/vmlinuz-$kernel" | head -c 3) == ARM ]] || fail "kernel $kernel is packed in a way that no Pi unpacks."
  cp "$here/bramble.yaml" "$root/boot/firmware/"
}

# The very role that deploy.sh runs on a machine, through a stand-in for ssh.
deploy() {
  say "Installing Bramble, as deploy/deploy.sh does …"
  if [[ ! $model && $starter ]]; then
    install -d -m 700 "$root/var/lib/bramble/models"
    install -m 644 "$starter" "$root/var/lib/bramble/models/"
  fi
  mkdir -p "$root/opt/bramble"
  cp -r "$wheelhouse" "$root/opt/bramble/wheelhouse"
  cd "$repo/deploy"
  BRAMBLE_IMAGE_ROOT=$root ANSIBLE_CONFIG=$repo/deploy/ansible.cfg ANSIBLE_HOME=$root/tmp/ansible "$ansible/bin/ansible-playbook" \
    -i bramble, -e ansible_ssh_executable="$here/inside.sh" -e ansible_ssh_transfer_method=piped -e ansible_become=false \
    -e ansible_remote_tmp=/tmp/ansible-remote -e '{"bramble_image": true}' \
    -e bramble_wheelhouse="$wheelhouse" -e bramble_model="$model" site.yml
  cd - >/dev/null
  inside chown -R bramble:bramble /var/lib/bramble
}

add_card() {
  local target=$root/usr/local/lib/bramble
  cp -r "$here/bramble_card" "$target/"
  find "$target" -name __pycache__ -prune -exec rm -r {} +
  inside python3 -m compileall -q "${target#"$root"}"
  cp "$root/etc/bramble/config.yaml" "$target/config.yaml"
  touch "$root/usr/lib/clock-epoch" # a Pi without a clock begins at the commit's time, which this gets below
  inside useradd --create-home --shell /bin/bash --groups sudo,adm,systemd-journal admin
  chmod 440 "$root/etc/sudoers.d/admin"
  inside systemctl --quiet enable bramble-card bramble-grow \
    systemd-networkd systemd-resolved systemd-timesyncd fstrim.timer
  inside systemctl --quiet disable ssh.service wpa_supplicant.service systemd-networkd-wait-online \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
}

# What belongs to one machine, or to the moment of building, belongs to no image.
clear_traces() {
  : >"$root/etc/machine-id"
  rm -rf "$root"/etc/ssh/ssh_host_* "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed" "$root/root/.ansible" \
    "$root/root/.cache" "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb \
    "$root/var/cache/ldconfig/aux-cache" "$root"/var/lib/dpkg/*-old "$root"/var/cache/debconf/*-old
  find "$root/var/log" -type f -delete
  find "$root" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

learn_arm
unpack
mount_system
fill_boot
deploy
add_card
unmount_system
clear_traces
