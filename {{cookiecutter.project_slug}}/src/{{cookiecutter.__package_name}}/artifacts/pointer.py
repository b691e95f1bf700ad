"""Which version of a model serves, which served before, and what was decided."""

from datetime import datetime
from typing import Literal

import msgspec


class Promotion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    at: datetime
    reason: str | None = None


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision about a version, with the reason if one was given."""

    action: Literal["promote", "rollback", "prune"]
    version: str
    at: datetime
    reason: str | None = None

    def prunes(self, version: str) -> bool:
        return self.action == "prune" and self.version == version


class Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version that serves, those that served before it, and every decision.

    `before` and `log` are newest first. All are in one file, to change only together.
    """

    serving: Promotion
    before: tuple[Promotion, ...] = ()
    log: tuple[Event, ...] = ()

    @property
    def pruned(self) -> set[str]:
        return {event.version for event in self.log if event.action == "prune"}
