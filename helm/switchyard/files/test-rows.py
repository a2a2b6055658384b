"""Writes four rows into a table of the test's own, each time with other values."""

import os
import time

import psycopg

from switchyard.connections.sources import EnvironmentConnections

source = EnvironmentConnections().get(os.environ["SOURCE_CONNECTION"])
wattage = int(time.time())
upsert = """
    insert into public.helm_test values (%s, %s, %s)
    on conflict (id) do update set wattage = excluded.wattage
"""
with psycopg.connect(source.url("postgresql", 5432)) as session:
    session.execute("create table if not exists public.helm_test (id int primary key, name text, wattage int)")
    for number in range(1, 5):
        session.execute(upsert, (number, f"Node{number}", wattage + number))
