"""Stores as they are now: compared by value, or a document traced back to its loads; only differences are written."""
