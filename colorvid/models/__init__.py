"""Codecs of one frame: networks plus quantisation, without files or headers."""
