"""The serve leg: Hive to MongoDB, then the cache. A file is named like its step."""
