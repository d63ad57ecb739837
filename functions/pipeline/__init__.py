"""What the states of the pipeline agree on, keep and tell."""
