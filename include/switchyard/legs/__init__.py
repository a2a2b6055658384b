"""The two legs, step by step, as docs/architecture.md numbers them. DAGs, CLI and tests call the same functions."""
