"""Connectors that a clinic wrote for itself: messages to files, and from files."""
