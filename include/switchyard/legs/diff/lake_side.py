"""The lake's side of a diff: a version's Parquet files, read as the documents that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from switchyard.compare.digests import DigestSpool
from switchyard.compare.documents import DocumentForm
from switchyard.compare.identity import IdForm
from switchyard.serve.documents.columns import Timestamps
from switchyard.serve.documents.encoder import DocumentEncoder, read_batches, read_schema


@dataclass(frozen=True)
class LakeSide:
    """A version's Parquet files, copied to this machine, as the documents that they become."""

    files: Sequence[Path]
    form: DocumentForm
    ids: IdForm
    where: str

    @classmethod
    def of(cls, files: Sequence[Path], key: Sequence[str], timestamps: Timestamps, where: str) -> LakeSide:
        """The side of these files, served by this key."""
        schema = read_schema(files)
        return cls(files, DocumentForm(schema, tuple(key), timestamps), IdForm(schema, key), where)

    def read(self, path: Path) -> DigestSpool:
        """Digest every row's document; raises ValueRefused for a row that cannot be one."""
        with DigestSpool(path) as spool:
            if self.form.schema is None:
                return spool
            encoder = DocumentEncoder(
                self.form.schema, self.form.key, timestamps=self.form.timestamps, where=self.where
            )
            for number, file in enumerate(self.files):
                row = 0
                for batch in read_batches([file]):
                    documents = encoder.encode(batch)
                    spool.add(list(map(self.ids.of, documents)), documents, file=number, first_row=row)
                    row += batch.num_rows
        return spool
