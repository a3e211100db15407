"""Training: data, losses, loop, export. Nothing in the package imports it."""
