"""What the torture comes to: counts, and every difference found."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass
class Tally:
    """Counts that the parts add up; `differences` are sentences that say how to see it again."""

    orders_tried: int = 0
    kills_survived: int = 0
    faults_injected: int = 0
    inputs_fuzzed: int = 0
    answers_read: int = 0
    zones_tried: int = 0
    rows_lost: int = 0
    differences: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Tally:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost and nothing differs."""
        return not self.rows_lost and not self.differences

    def report(self) -> str:
        """The counts as lines of text."""
        counts = [
            f"{each.name.replace('_', ' ')}: {getattr(self, each.name):,}"
            for each in fields(self)
            if each.type == "int"
        ]
        skipped = [f"skipped: {what}" for what in dict.fromkeys(self.skipped)]
        return "\n".join([*counts[:-1], *skipped, counts[-1], f"differences: {len(self.differences):,}"])
