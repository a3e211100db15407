"""Compares codecs on clips: points and their cache, BD-rates, published curves, patches."""
