"""What must not hurt Bramble, done to it on purpose: `python -m tests.faults`. See tests/README.md."""
