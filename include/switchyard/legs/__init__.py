"""The two legs, step by step; docs/architecture.md has the steps by number. DAGs, CLI and tests call the same functions."""
