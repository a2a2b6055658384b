"""The ingest leg: PostgreSQL to HDFS to Hive. A file is named like its step."""
