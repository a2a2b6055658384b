"""MongoDB: the target collection, staging and publish, replacing in place, digests, reading back."""
