"""What is trained: networks with their losses, on one random batch at a time."""
