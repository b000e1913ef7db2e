"""The surrogate key of each row: a function of record key, sequence and delivery, the same wherever it is computed.

No library that is at hand promises a hash of columns that stays as it is from release to release, but MD5, which costs
six times as much. This one reads a key as words of eight bytes and mixes each in by a multiplication and a shift, as
MurmurHash (Appleby, 2008) does. A test pins it: what was handed out must never change. Pure: reads and writes nothing.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

import polars as pl

from claims_lakehouse.contracts import Feed

_ODD = 0xD6E8FEB86659FD93
_FEW_ROWS, _MANY_WORDS = 500, 8


def surrogate_keys(rows: pl.DataFrame, feed: Feed, delivery: str, received: datetime) -> pl.Series:
    """The keys of typed rows that have a record key and a sequence: Int64, never negative."""
    seed = int.from_bytes(sha256(delivery.encode()).digest()[:8], "little")
    sequence = rows[feed.sequence] if feed.sequence else pl.Series([received], dtype=pl.Datetime("us"))
    hashed = pl.Series([seed], dtype=pl.UInt64).new_from_index(0, rows.height)
    hashed = _mixed(hashed, sequence.cast(pl.Int64).reinterpret(signed=False))
    for name in feed.key:
        text = rows[name].cast(pl.String)
        hashed = _mixed(_with_words(hashed, text), text.str.len_bytes().cast(pl.UInt64))
    return (_mixed(hashed, seed) // 2).cast(pl.Int64).rename(feed.surrogate_key)


def _with_words(hashed: pl.Series, text: pl.Series) -> pl.Series:
    """The words of each text mixed in, the last filled up with zeros; a row is done with when its text has ended."""
    mixed, place = hashed.clone(), 0
    # With eight bytes more, every word that begins in a text is whole.
    left = pl.DataFrame(
        {
            "row": pl.int_range(len(text), eager=True),
            "length": text.str.len_bytes(),
            "text": pl.select((pl.lit(text) + "\0" * 8).cast(pl.Binary)).to_series(),
            "hashed": hashed,
        }
    )
    while left.height:
        ended = (left["length"] <= place * 8).fill_null(value=True)
        if ended.any():
            done, left = left.filter(ended), left.filter(~ended)
            mixed = mixed.scatter(done["row"], done["hashed"])
        if left.height <= _FEW_ROWS and place >= _MANY_WORDS:
            texts = zip(left["hashed"], left["text"], left["length"], strict=True)
            rest = [_with_rest(number, text[place * 8 : length]) for number, text, length in texts]
            return mixed.scatter(left["row"], pl.Series(rest, dtype=pl.UInt64))
        word = left["text"].bin.slice(place * 8, 8).bin.reinterpret(dtype=pl.UInt64, endianness="little")
        left = left.with_columns(_mixed(left["hashed"], word).alias("hashed"))
        place += 1
    return mixed


def _with_rest(number: int, text: bytes) -> int:
    """The same for one text, a word at a time: of few rows that go on for long, a series a word would take too long."""
    for start in range(0, len(text), 8):
        product = (number ^ int.from_bytes(text[start : start + 8], "little")) * _ODD % (1 << 64)
        number = product ^ (product >> 32)
    return number


def _mixed(hashed: pl.Series, word: pl.Series | int) -> pl.Series:
    """Both in one number; for a given word no two numbers become the same, nor do two words for a given number."""
    product = (hashed ^ word) * _ODD
    return product ^ (product // (1 << 32))
