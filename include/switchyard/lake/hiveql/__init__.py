"""HiveQL of a load and of a merge. Pure."""
