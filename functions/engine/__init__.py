"""The image engine: bytes to pixels to bytes. It imports no AWS, reads no environment and knows no handler."""
