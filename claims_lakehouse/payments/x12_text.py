"""Names and identifiers in the characters that X12 and banks can write."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from urllib.parse import quote

#: X12's extended set of characters, less the four that separate.
_NOT_WRITTEN = re.compile(r"""[^A-Za-z0-9 !"&'()+,\-./;?=%@\[\]_{}\\|<>#$`]""")
#: What an escape of ours looks like: text that has it is escaped itself.
_ESCAPED = re.compile("%(?=[0-9A-Fa-f]{2})")
_SEPARATORS = re.compile(r"[*:~^\s\x00-\x1f\x7f]+")
#: Letters that Unicode does not take apart into a letter of ours and an accent.
_LETTERS = str.maketrans(
    {"\N{LATIN SMALL LETTER DOTLESS I}": "i", "\N{LEFT SINGLE QUOTATION MARK}": "'",
     "\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{EN DASH}": "-", "\N{EM DASH}": "-", "ß": "ss", "Æ": "AE", "æ": "ae",
     "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Þ": "Th",
     "þ": "th"}
)  # fmt: skip


def plain_text(text: str, longest: int) -> str:
    """A name in characters that every receiver can read: no accents, no separators; what is longer is cut."""
    if _NOT_WRITTEN.search(text) is not None:
        letters = unicodedata.normalize("NFKD", text.translate(_LETTERS))
        letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
        text = _NOT_WRITTEN.sub("?", _SEPARATORS.sub(" ", letters))
    return text.strip()[:longest].rstrip()


def identifier(text: str, longest: int) -> str:
    """An identifier as it is where X12 can write it; otherwise so that it can be told from every other."""
    written = _ESCAPED.sub("%25", text.strip())
    if _NOT_WRITTEN.search(written) is not None:
        written = _NOT_WRITTEN.sub(lambda found: _quoted(found[0]), written)
    if len(written) > longest:
        written = f"{written[: longest - 9]}-{sha256(text.encode()).hexdigest()[:8]}"
    return written


def _quoted(character: str) -> str:
    return "%7E" if character == "~" else quote(character, safe="")
