"""One program per engine: `<program> JOB.json` does one job and prints {"cpu": seconds} as its last line.

A job: {"source": path, "out": folder, "sizes": …, "gray": {"size", "contrast"}, "settings": {format: options}}; the
option "efforts" has an effort per size. Outputs are <out>/<size>.<format>, and <out>/grayscale.webp.
CPU seconds are those of the job, on all threads, after a warm-up on a tiny picture: they do not include the start of a
runtime or the loading of libraries. Peak memory is that of the whole process.
"""
