"""Prints config.example.yaml."""

from bramble.config import example

print(example(), end="")
