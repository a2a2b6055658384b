"""Stores compared by value, as they are now; read-only but for the table of differences."""
