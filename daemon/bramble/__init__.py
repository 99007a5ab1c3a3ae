"""Bramble: a private assistant for everyone on the home network, on a Raspberry Pi."""

__version__ = "0.1.0"
