"""Scores a decoded video against its original: frames, figures on request, pictures, summary."""
