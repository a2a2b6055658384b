"""Run by the ingestion environment's Python, never imported: see run.py."""
