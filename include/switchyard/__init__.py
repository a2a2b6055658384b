"""Switchyard moves tables PostgreSQL → Sqoop → HDFS → Hive → MongoDB, with Redis in front, and proves every load."""

__version__ = "0.1.0"
