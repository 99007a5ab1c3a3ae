#!/bin/sh
# Stands in for ssh where Ansible sets up the image: runs the command, ssh's last argument, in the folder BRAMBLE_IMAGE_ROOT.
for command; do :; done
exec chroot "$BRAMBLE_IMAGE_ROOT" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root \
  LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" /bin/sh -c "$command"
