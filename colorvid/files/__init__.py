"""Whole files: encode, decode, verify, probe, and the self-test."""
