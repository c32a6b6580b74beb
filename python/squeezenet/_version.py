"""The version of the library that this module was written for."""

__version__ = "0.2.0"
