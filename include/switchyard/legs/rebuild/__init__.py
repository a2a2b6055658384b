"""The ledger checked against the tables, flow by flow, and made again from tables, manifests and what is served."""
