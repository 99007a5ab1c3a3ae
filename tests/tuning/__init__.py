"""Tests of `bramble.tuning` and of the engine processes that work for it."""
