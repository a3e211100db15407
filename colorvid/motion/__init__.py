"""Block motion: search, integer compensation and lossless coding of the vectors."""
