"""Measures the speed, the memory and the start of colorvid, beside PyTorch and x264."""
