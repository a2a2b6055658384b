"""The SQL that looks types up in PostgreSQL's catalogue, domains and arrays taken apart."""

from __future__ import annotations

TYPES = """
with recursive described as (
    select n, o, m
    from rows from (pg_catalog.unnest(%s::oid[]), pg_catalog.unnest(%s::int[])) with ordinality as x(o, m, n)
), unwrapped as (
    select d.n, t.typelem as o, d.m from described d join pg_catalog.pg_type t on t.oid = d.o
    where t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
    union all
    select u.n, t.typbasetype, t.typtypmod
    from unwrapped u join pg_catalog.pg_type t on t.oid = u.o where t.typtype = 'd'
), element as (
    select u.* from unwrapped u join pg_catalog.pg_type t on t.oid = u.o where t.typtype <> 'd'
), named as (
    select t.oid, t.typtype, case
        when t.typnamespace = 'pg_catalog'::regnamespace then t.typname
        when x.extname = t.typname then t.typname else '' end as catalog,
        case
        when t.typtype = 'e' then (
            select pg_catalog.json_agg(l.enumlabel order by l.enumsortorder) from pg_catalog.pg_enum l
            where l.enumtypid = t.oid)
        when t.typtype = 'c' then (
            select pg_catalog.json_build_array(pg_catalog.string_agg(
                a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum))
            from pg_catalog.pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)
        when t.oid = 'pg_catalog.money'::regtype then
            pg_catalog.json_build_array(pg_catalog.current_setting('lc_monetary'))
        end as labels
    from pg_catalog.pg_type t
    left join pg_catalog.pg_depend e
    on e.classid = 'pg_catalog.pg_type'::regclass and e.objid = t.oid and e.deptype = 'e'
    left join pg_catalog.pg_extension x on x.oid = e.refobjid
    where t.oid in (select o from described union select o from element)
)
select pg_catalog.format_type(d.o, d.m), t.catalog, t.typtype, d.m, t.labels,
       pg_catalog.format_type(e.o, e.m), et.catalog, et.typtype, e.m, et.labels
from described d join named t on t.oid = d.o
left join element e on e.n = d.n left join named et on et.oid = e.o
order by d.n
"""
"""A domain arrives as its base type, by the protocol; an array of domains does not."""
