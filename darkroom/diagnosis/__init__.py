"""What `bin/darkroom doctor` looks at: lists of checks, each a small function that yields what it found."""
