"""Benchmarks on private servers with full durability: `python -m tools.bench`."""
