# systemd-python is written in C and ships no types: what Bramble uses of it.
