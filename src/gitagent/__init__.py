"""A task queue for coding agents that lives in the repository itself."""

__version__ = "0.1.0"
