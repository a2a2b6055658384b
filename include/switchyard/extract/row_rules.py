"""What chooses a source's rows besides tables, views and the filter's text, and may change without any of them.

A function that `source.where` or `source.query` names, a policy of row-level security, a setting that one of them asks
for (`current_setting('app.tenant')`), the login that reads. The catalogue is everybody's to read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from switchyard.flow.spec import Source

if TYPE_CHECKING:
    from switchyard.extract.session import Session

_WORD = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')
_SETTING = re.compile(r"current_setting\s*\(\s*'([^']+)'", re.IGNORECASE)
_LOGIN = re.compile(r"""(?<![\w".'$])(?:current_user|session_user|current_role|user)(?![\w"'$])""", re.IGNORECASE)

_OWN = """
{object}.oid >= 16384 and not exists (
    select from pg_catalog.pg_depend e
    where e.classid = 'pg_catalog.{catalog}'::regclass and e.objid = {object}.oid and e.deptype = 'e'
)
"""
"""An object that somebody made here: not PostgreSQL's, and not an extension's, which an upgrade replaces."""
_NAMED = f"""
select p.oid from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where p.proname = any(%(words)s) and (pg_catalog.pg_function_is_visible(p.oid) or n.nspname = any(%(words)s))
and {_OWN.format(object="p", catalog="pg_proc")}
union
select o.oprcode::oid from pg_catalog.pg_operator o
where pg_catalog.strpos(%(text)s, o.oprname::text) > 0 and {_OWN.format(object="o", catalog="pg_operator")}
union
select d.refobjid from pg_catalog.pg_policy y join pg_catalog.pg_depend d
on d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = y.oid and d.refclassid = 'pg_catalog.pg_proc'::regclass
join pg_catalog.pg_class c on c.oid = y.polrelid
where c.oid = any(%(tables)s::oid[]) and c.relrowsecurity
"""
"""Functions that a text may call: any of a name that it has, so that one too many is looked at rather than one too few;
functions of its operators; and those of the policies of its tables."""
_POLICIES = """
select pg_catalog.concat_ws(' ', c.oid, c.relforcerowsecurity, y.polname, y.polpermissive,
    (select pg_catalog.string_agg(r::regrole::text, ' ' order by r) from pg_catalog.unnest(y.polroles) as r),
    pg_catalog.pg_get_expr(y.polqual, y.polrelid))
from pg_catalog.pg_class c left join pg_catalog.pg_policy y on y.polrelid = c.oid and y.polcmd in ('r', '*')
where c.oid = any(%s::oid[]) and c.relrowsecurity
"""


def named_functions(session: Session, source: Source, tables: Sequence[int]) -> list[int]:
    """The oids of the functions that the source's text may call, and those of its tables' policies."""
    text = filter_text(source)
    rows = session.execute(_NAMED, {"words": words(text), "text": text, "tables": list(tables)}).fetchall()
    return [int(str(row[0])) for row in rows]


def digest_rules(
    session: Session, source: Source, tables: Sequence[int], definitions: Sequence[str], functions: Sequence[str]
) -> str:
    """Digest everything that chooses rows here; empty when nothing does.

    `definitions`: of the views and functions below the source; `functions`: of those that its text or a policy names.
    """
    policies = [str(row[0]) for row in session.execute(_POLICIES, [list(tables)])]
    texts = [filter_text(source), *definitions, *functions, *policies]
    parts = [*sorted(functions), *sorted(policies)]
    for name in asked_settings(texts):
        row = session.execute("select pg_catalog.current_setting(%s, true)", [name]).fetchone()
        parts.append(f"{name}={row[0] if row else None}")
    if policies or asks_login(texts):
        row = session.execute("select current_user").fetchone()
        parts.append(f"login {row[0] if row else ''}")
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16] if parts else ""


def filter_text(source: Source) -> str:
    """The SQL of the flow file that chooses rows."""
    return source.query or source.where or ""


def words(text: str) -> list[str]:
    """Every name in a text, as PostgreSQL reads it: folded to lower case unless it is quoted."""
    names = (quoted.replace('""', '"') if quoted else plain.lower() for quoted, plain in _WORD.findall(text))
    return sorted(set(names))


def asked_settings(texts: Iterable[str]) -> list[str]:
    """Names of the settings that somebody made up, with a dot in them, and that the texts ask for."""
    return sorted({name.lower() for text in texts for name in _SETTING.findall(text) if "." in name})


def asks_login(texts: Iterable[str]) -> bool:
    """True if one of the texts asks who reads."""
    return any(_LOGIN.search(text) for text in texts)
