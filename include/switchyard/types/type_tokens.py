"""The tokens of a Hive type's text: words, numbers and marks, one after another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from switchyard.errors import UnknownHiveType

_MARKS = ("<", ">", "(", ")", ",", ":")
_TOKEN = re.compile(r"\s*(?:(?P<mark>[<>(),:])|(?P<text>'[^']*')|(?P<word>[^<>(),:'\s]+(?:\s+[^<>(),:'\s]+)*))")


class TypeTokens:
    """A text taken token by token. Every method raises UnknownHiveType, with the whole text, for what does not fit."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = list(self._split())
        self._at = 0

    def peek(self) -> str:
        """The next token, which stays; empty at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take_word(self) -> str:
        """Take a word, a number or a text in quotes."""
        token = self.peek()
        if not token or token in _MARKS:
            raise self.refusal()
        self._at += 1
        return token

    def take_mark(self, mark: str) -> None:
        """Take this mark."""
        if self.peek() != mark:
            raise self.refusal()
        self._at += 1

    def take_numbers(self, count: int | None) -> list[int]:
        """Take whole numbers in brackets; `count` of them, or any."""
        self.take_mark("(")
        numbers = [self._take_number()]
        while self.peek() == ",":
            self.take_mark(",")
            numbers.append(self._take_number())
        self.take_mark(")")
        if count is not None and len(numbers) != count:
            raise self.refusal()
        return numbers

    def take_end(self) -> None:
        """Require that nothing follows."""
        if self.peek():
            raise self.refusal()

    def refusal(self) -> UnknownHiveType:
        """The error for this text."""
        return UnknownHiveType(self.text)

    def _take_number(self) -> int:
        digits = self.take_word()
        if not re.fullmatch(r"\d{1,9}", digits, re.ASCII):
            raise self.refusal()
        return int(digits)

    def _split(self) -> Iterator[str]:
        end = len(self.text.rstrip())
        at = 0
        while at < end:
            token = _TOKEN.match(self.text, at)
            if token is None:
                raise self.refusal()
            yield token[0].strip()
            at = token.end()
