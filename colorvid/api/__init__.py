"""What a few lines of Python need: clips as sequences of frames, coding of what is in memory."""
