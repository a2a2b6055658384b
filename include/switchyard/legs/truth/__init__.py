"""The table and the ledger compared: the check that every step begins with, and a ledger made again from the table."""
