"""Darkroom's command line: the local stack, the demo, and the operation of a stack, here or on AWS."""
