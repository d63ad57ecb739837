"""The operator's command line of Darkroom: `python -m darkroom --help`."""
