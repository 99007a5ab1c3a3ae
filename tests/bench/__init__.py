"""Benchmarks: Bramble beside llama-server, or beside itself with a feature off. `python -m tests.bench` runs them."""
