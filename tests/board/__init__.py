"""The machine: recorded boards, and the one that the tests run on."""
