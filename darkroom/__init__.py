"""Darkroom's command line: the local stack, the demo, and what an operator does with a stack, here or on AWS."""
