"""The version of polejax, where the build and every result file read it."""

__version__ = "0.1.0"
