"""SSIMULACRA2 of pictures against references: reads lines "reference<TAB>picture", prints one score per line.

Runs in the environment of the bench's tools.
"""

import sys
import tempfile

from PIL import Image
from ssimulacra2 import compute_ssimulacra2

for line in sys.stdin:
    reference, picture = line.rstrip("\n").split("\t")
    with tempfile.NamedTemporaryFile(suffix=".png") as decoded:
        Image.open(picture).convert("RGB").save(decoded.name, compress_level=0)
        print(compute_ssimulacra2(reference, decoded.name), flush=True)
