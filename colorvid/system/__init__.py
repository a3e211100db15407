"""This machine: its memory, its signals, its cores, and what may be asked of it."""
