"""Hive's types and how PostgreSQL's become them: rules, widening, value domains, quoting, aggregates. Pure."""
