"""The Hive metastore over Thrift: versions of a table, and the one call that publishes one.

`alter_table_with_environment_context` with an expected value of `switchyard.rev` is a compare and swap of location,
columns and parameters together (HIVE-26882, metastore 4.0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from switchyard.connections import Connection
from switchyard.connections.hive import TLS_EXTRAS, metastore_access
from switchyard.connections.tls import find_tls_fault
from switchyard.errors import AGAIN, PublishConflict, ServerUnavailable, StepFailed, SwitchyardError
from switchyard.flow.naming import LOAD_PROPERTY, REV_PROPERTY, SEQ_PROPERTY, TABLE_PROPERTY
from switchyard.lake.java_words import shorten
from switchyard.lake.table_version import TableVersion
from switchyard.lake.thrift import describe, expecting, fields, moment, read_version
from switchyard.types.columns import HiveColumn

if TYPE_CHECKING:
    from pymetastore.hive_metastore.ThriftHiveMetastore import Client

_PORT = 9083
_CALL_SECONDS = 60
_CHECK_BY_POSITION = "metastore.disallow.incompatible.col.type.changes"
"""For this connection: the metastore compares old and new columns by position, as if the old files were to be read by
the new columns. A version's files are its own, Parquet finds columns by name, and the contract has looked at types."""
_PARQUET = (
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
)
_JSON = (
    "org.apache.hadoop.mapred.TextInputFormat",
    "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "org.apache.hadoop.hive.serde2.JsonSerDe",
)


class Metastore:
    """One metastore. Connections are opened per call; raises ServerUnavailable naming the connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def ensure_database(self, database: str, location: str) -> None:
        """Create the database unless it exists."""
        from pymetastore.hive_metastore.ttypes import AlreadyExistsException, Database, NoSuchObjectException

        with self.client() as client:
            try:
                client.get_database(database)
            except NoSuchObjectException:
                try:
                    client.create_database(Database(name=database, locationUri=location, parameters={}))
                except AlreadyExistsException:
                    return

    def read_version(self, database: str, table: str) -> TableVersion | None:
        """Current version of a table, or None when there is no such table."""
        from pymetastore.hive_metastore.ttypes import NoSuchObjectException

        with self.client() as client:
            while True:
                try:
                    described = describe(client, database, table)
                    if not described.partitionKeys:
                        return read_version(described)
                    partitions = client.get_partitions(database, table, -1)
                    again = describe(client, database, table)
                except NoSuchObjectException:
                    return None
                if moment(again) == moment(described):
                    return read_version(again, partitions)

    def read_load_id(self, database: str, table: str) -> str:
        """Id of the load that a table shows, in one call that lists no partitions; empty when it shows none."""
        from pymetastore.hive_metastore.ttypes import NoSuchObjectException

        with self.client() as client:
            try:
                return str(describe(client, database, table).parameters.get(LOAD_PROPERTY, ""))
            except NoSuchObjectException:
                return ""

    def create_parquet_table(
        self,
        database: str,
        table: str,
        columns: Sequence[HiveColumn],
        location: str,
        parameters: dict[str, str],
        partition: HiveColumn | None = None,
    ) -> None:
        """Create an EXTERNAL Parquet table whose DROP never deletes data; nothing happens when it exists."""
        parameters = {"parquet.compression": "SNAPPY", **parameters}
        self._create(database, table, columns, location, _PARQUET, parameters, partition)

    def create_json_table(self, database: str, table: str, columns: Sequence[HiveColumn], location: str) -> None:
        """Create an EXTERNAL table over JSON lines."""
        self._create(database, table, columns, location, _JSON, {})

    def drop_table(self, database: str, table: str) -> None:
        """Drop a table, never its data; nothing happens if it does not exist."""
        from pymetastore.hive_metastore.ttypes import NoSuchObjectException

        with self.client() as client:
            try:
                client.drop_table(database, table, False)
            except NoSuchObjectException:
                return

    def list_tables(self, database: str) -> list[str]:
        """Names of all tables of a database; empty when there is no such database."""
        from pymetastore.hive_metastore.ttypes import MetaException, NoSuchObjectException

        with self.client() as client:
            try:
                return list(client.get_all_tables(database))
            except (NoSuchObjectException, MetaException):
                return []

    def publish(
        self,
        expected: TableVersion,
        location: str,
        columns: Sequence[HiveColumn],
        seq: int,
        load_id: str,
        stats: Mapping[str, int],
        own: Mapping[str, str | None] | None = None,
    ) -> int:
        """Move a table to another version in one call: location, columns, parameters and basic statistics (`numRows`).

        Its partitions get the columns, too: Hive reads files of narrower types exactly, but not through an old schema.
        Returns the table's new rev. Raises PublishConflict when its rev is no longer `expected.rev`.
        """
        parameters: dict[str, str | None] = {SEQ_PROPERTY: str(seq), LOAD_PROPERTY: load_id, **(own or {})}
        parameters |= {name: str(value) for name, value in stats.items()}
        return self.alter(expected, parameters, location=location, columns=columns)

    def alter(
        self,
        expected: TableVersion,
        parameters: Mapping[str, str | None],
        *,
        location: str | None = None,
        columns: Sequence[HiveColumn] | None = None,
    ) -> int:
        """Change parameters (None takes one away), and with them location and columns, in one call.

        A table of an earlier release has no rev: its seq is expected instead. Returns the new rev.
        Raises PublishConflict when somebody of ours altered the table since `expected` was read.
        """
        from pymetastore.hive_metastore.ttypes import InvalidOperationException, MetaException

        rev = (expected.rev or 0) + 1
        own = {**parameters, REV_PROPERTY: str(rev), TABLE_PROPERTY: expected.name, "COLUMN_STATS_ACCURATE": None}
        by_seq = expected.rev is None
        parameter = SEQ_PROPERTY if by_seq else REV_PROPERTY
        value = expected.seq if by_seq else expected.rev
        context = expecting(parameter, str(value), CASCADE="true")
        with self.client() as client:
            table = describe(client, expected.database, expected.table)
            if location is not None:
                table.sd.location = location
            if columns is not None:
                table.sd.cols = fields(columns)
            _set_parameters(table.parameters, own)
            client.setMetaConf(_CHECK_BY_POSITION, "false")
            try:
                client.alter_table_with_environment_context(expected.database, expected.table, table, context)
            except (MetaException, InvalidOperationException) as error:
                raise self._refused(expected, error) from error
        return rev

    def _refused(self, expected: TableVersion, error: Exception) -> SwitchyardError:
        text = str(getattr(error, "message", error))
        where = f"Hive table {expected.database}.{expected.table}"
        if "has been modified" in text:
            return PublishConflict(
                f"the table no longer shows seq {expected.seq}, which this load began with: another load was "
                "published meanwhile",
                where=where,
                cure="nothing was changed; run the whole leg again (switchyard run ingest FLOW, or in Airflow "
                "trigger DAG ingest__FLOW): it starts from the version that is shown now",
            )
        return SwitchyardError(
            f"the metastore refused the publish: {shorten(text)}",
            where=where,
            cure=f"nothing was changed; see the metastore's log; then {AGAIN}",
        )

    def _create(
        self,
        database: str,
        table: str,
        columns: Sequence[HiveColumn],
        location: str,
        formats: tuple[str, str, str],
        parameters: dict[str, str],
        partition: HiveColumn | None = None,
    ) -> None:
        from pymetastore.hive_metastore.ttypes import AlreadyExistsException, SerDeInfo, StorageDescriptor, Table

        storage = StorageDescriptor(
            cols=fields(columns),
            location=location,
            inputFormat=formats[0],
            outputFormat=formats[1],
            serdeInfo=SerDeInfo(name=table, serializationLib=formats[2], parameters={"serialization.format": "1"}),
            numBuckets=-1,
            bucketCols=[],
            sortCols=[],
            parameters={},
        )
        created = Table(
            tableName=table,
            dbName=database,
            owner="switchyard",
            sd=storage,
            partitionKeys=fields([partition] if partition else []),
            parameters={"EXTERNAL": "TRUE", "external.table.purge": "false", **parameters},
            tableType="EXTERNAL_TABLE",
        )
        with self.client() as client:
            try:
                client.create_table(created)
            except AlreadyExistsException:
                return

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A connection for some calls; raises ServerUnavailable, ConnectionUnusable, StepFailed for what is refused.

        No exception of Thrift's leaves it: they are immutable, so that Python fails on its way to re-raise one.
        """
        from pymetastore.hive_metastore.ThriftHiveMetastore import Client
        from thrift.protocol.TBinaryProtocol import TBinaryProtocol
        from thrift.Thrift import TException
        from thrift.transport.TTransport import TTransportException

        from switchyard.lake.transport import make_transport

        access = metastore_access(self.connection)
        transport = make_transport(self.connection, access, _PORT, _CALL_SECONDS)
        try:
            transport.open()
            yield Client(TBinaryProtocol(transport))
        except (TTransportException, OSError) as error:
            fault = find_tls_fault(self.connection, TLS_EXTRAS, error)
            if fault is not None:
                raise fault from error
            login_and_tls = access.described
            raise ServerUnavailable(
                f"the Hive metastore at {self.connection.address} does not answer: {error}",
                where=f"connection {self.connection.conn_id}",
                cure="check that the metastore runs, that the connection's host and port are right, and that it "
                f"expects the login and TLS of this connection ({login_and_tls}); then {AGAIN}",
            ) from error
        except TException as error:
            words = shorten(str(getattr(error, "message", error)))
            raise StepFailed(
                f"the Hive metastore refused a call: {type(error).__name__}: {words}",
                where=f"connection {self.connection.conn_id}",
                cure=f"nothing was published; see the metastore's log, and mend what it names; then {AGAIN}",
            ) from error
        finally:
            transport.close()


def _set_parameters(parameters: dict[str, str], changes: Mapping[str, str | None]) -> None:
    """Change a table's parameters; None takes one away."""
    for name, value in changes.items():
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = value
