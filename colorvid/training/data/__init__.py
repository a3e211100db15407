"""Training data: pictures, clips and what the codec makes of them."""
