"""The two legs, step by step, as DESIGN's protocols say. DAGs, CLI and tests call the same functions."""
