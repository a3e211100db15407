"""Robustness: fuzzing, damaged streams, long and parallel runs."""
