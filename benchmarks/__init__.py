"""Measurements on real data: `python -m benchmarks [case ...]`; tables go to `benchmarks/RESULTS.md`."""
