"""One module per command: `add_parser` adds it to the command line, `run` runs it."""
