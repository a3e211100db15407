"""The native core: exact C++ versions of what takes longest, optional at run time."""
