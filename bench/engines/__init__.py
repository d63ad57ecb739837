"""One program an engine: `<program> JOB.json` does one job and prints {"cpu": seconds} as its last line.

A job: {"source": path, "out": folder, "sizes": …, "gray": {"size", "contrast"}, "settings": {format: options}}; the
option "efforts" has an effort by size. Outputs are <out>/<size>.<format>, and <out>/grayscale.webp.
CPU seconds count the job alone, on all threads, after a warm-up on a tiny picture: no start of a runtime, no loading of
libraries. Peak memory is that of the whole process.
"""
