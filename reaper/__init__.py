"""Periodic care of the rows."""
