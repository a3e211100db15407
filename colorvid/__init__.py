"""colorvid: a learned video codec that codes luma and chroma apart and decodes exactly."""

__version__ = "0.1.0"
