"""The tests, mirroring daemon/bramble; they import each other as `tests.…`."""
