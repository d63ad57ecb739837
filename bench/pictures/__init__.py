"""How good the pictures are: colours, crops, quality, animations, what is kept. Each module has `bars()`."""
