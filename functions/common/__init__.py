"""What the functions share. The image modules import no AWS, read no environment and know no handler."""
