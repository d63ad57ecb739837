"""This engine beside its peers: the same photos, the same job, in one run. `make bench`; docs/BENCHMARKS.md."""
