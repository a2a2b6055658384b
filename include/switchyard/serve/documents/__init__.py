"""Parquet rows as BSON documents, and what each must equal."""
