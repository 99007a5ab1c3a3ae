# shellcheck shell=bash
# Sourced by the parts of build.sh that run programs of the image: a PC learns how.

# Programs for ARM run here until this script ends, also where Debian's qemu-user has not told the kernel (no systemd).
learn_arm() {
  local folder=/proc/sys/fs/binfmt_misc own=bramble-$$ magic mask
  [[ -e $folder/register ]] || mount -t binfmt_misc binfmt_misc $folder
  if [[ $(uname -m) == aarch64 || -e $folder/qemu-aarch64 ]]; then return; fi
  magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
  mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  printf '%s' ":$own:M::$magic:$mask:$(emulator):FP" >$folder/register
  # shellcheck disable=SC2064 # what they are now
  trap "echo -1 >$folder/$own" EXIT
}

emulator() { command -v qemu-aarch64-static || command -v qemu-aarch64; }
