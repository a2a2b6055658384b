"""Versions of any Hive table that Switchyard writes: published, vacuumed, counted. Both legs and the diff use them."""
