"""Words that HiveQL reserves: a name among them would have to be quoted by every reader.

Source: Hive's LanguageManual DDL, "Keywords, Non-reserved Keywords and Reserved Keywords", with those of 4.0's
HiveLexerParent.g.
"""

RESERVED = frozenset(
    """
    all alter and any array as authorization between bigint binary boolean both by cache case cast char column
    commit conf constraint create cross cube current current_date current_timestamp cursor database date dayofweek
    decimal delete describe distinct double drop else end exchange exists extended external extract false fetch
    float floor following for foreign from full function grant group grouping having if import in inner insert int
    integer intersect interval into is join lateral leading left less like local macro map merge minus more none not
    null numeric of offset on only or order out outer over partialscan partition percent preceding precision
    preserve primary procedure qualify range reads real reduce references regexp revoke right rlike rollback rollup
    row rows select set smallint some start sync table tablesample then time timestamp timestamptz to trailing
    transform trigger true truncate unbounded union unique uniquejoin update user using utc_tmestamp values varchar
    views when where window with
    """.split()  # noqa: SIM905 - a list of 150 quoted words is worse to read
)
