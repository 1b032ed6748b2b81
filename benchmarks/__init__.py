"""Measurements on real data: `python -m benchmarks [case ...]`; tables go to `benchmarks/RESULTS.md`."""

import os

# as the commands do: waiting OpenMP threads that spin would take the core that the working one needs
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
