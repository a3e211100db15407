"""Measuring: sources, reference encoders, tables and plots; nothing in the codec imports it."""
