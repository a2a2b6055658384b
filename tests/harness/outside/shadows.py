"""A schema in which everything that pg_catalog has is there once more, and wrong: what a search_path can do to SQL."""

from __future__ import annotations

SHADOWS = """
create schema {schema};
grant usage on schema {schema} to public;
do $shadows$
declare
    item record;
begin
    for item in
        with own as (
            select p.proname as name, pg_catalog.oidvectortypes(p.proargtypes) as arguments,
                pg_catalog.pg_get_function_result(p.oid) as result
            from pg_catalog.pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f'
        )
        select * from own
        union select name, replace(arguments, 'text', 'character varying'), result from own
    loop
        begin
            execute pg_catalog.format(
                'create function {schema}.%I(%s) returns %s language plpgsql as %L',
                item.name, item.arguments, item.result,
                'begin raise exception ''{schema}.' || item.name || '()''; end');
        exception when feature_not_supported or invalid_function_definition then null;  -- its types are not a user's
        end;
    end loop;
    for item in select o.oprname as name, p.proname,
            nullif(o.oprleft, 0)::regtype as left_type, o.oprright::regtype as right_type
        from pg_catalog.pg_operator o join pg_catalog.pg_proc p on p.oid = o.oprcode
        where o.oprleft <> 0 and o.oprnamespace = 'pg_catalog'::regnamespace
    loop
        execute pg_catalog.format('create operator {schema}.%s (leftarg = %s, rightarg = %s, function = {schema}.%I)',
            item.name, item.left_type, item.right_type, item.proname);
    end loop;
    for item in select c.relname as name from pg_catalog.pg_class c
        where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v')
    loop
        execute pg_catalog.format('create table {schema}.%I ()', item.name);
    end loop;
    for item in select t.typname as name from pg_catalog.pg_type t
        where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype = 'b' and t.typname not like E'\\\\_%'
    loop
        execute pg_catalog.format('create type {schema}.%I as (wrong boolean)', item.name);
    end loop;
end
$shadows$;
create aggregate {schema}.count(*) (sfunc = pg_catalog.int8inc, stype = pg_catalog.int8, initcond = '40');
create aggregate {schema}.max(pg_catalog.int4)
    (sfunc = pg_catalog.int4smaller, stype = pg_catalog.int4);
"""
"""Statements; `{schema}` is the schema's name. A function of text has a brother of varchar, which fits one better."""
