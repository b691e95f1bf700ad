"""What is measured: which requests, on how many connections, beside what."""

from dataclasses import dataclass

from contenders import Contender
from load import Group
from traffic import Traffic

# A rate that every contender can keep up with when nothing runs beside it.
PACED_PER_S = 100


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    protocols: tuple[str, ...]
    small: int = 0
    large: int = 0
    paced: bool = False

    def protocols_of(self, contender: Contender) -> list[str]:
        """Those that both speak; a mixed scenario needs only the contender's first."""
        common = [p for p in contender.routes if p in self.protocols]
        return common[:1] if self.paced else common

    def groups(
        self, traffic: Traffic, contender: Contender, protocol: str
    ) -> list[Group]:
        """The group that the scenario is about comes first."""
        path, key = contender.routes[protocol], contender.key
        rate = PACED_PER_S if self.paced else None
        groups = []
        if self.small:
            groups.append(traffic.group(protocol, path, False, self.small, rate, key))
        if self.large:
            groups.append(traffic.group(protocol, path, True, self.large, None, key))
        return groups


SCENARIOS = [
    Scenario("batch1-16", "1 row, 16 connections", ("constant", "v1", "v2"), small=16),
    Scenario("batch1-64", "1 row, 64 connections", ("constant", "v1", "v2"), small=64),
    Scenario(
        "rows1000-v1",
        "1,000 rows, V1 JSON, 16 connections",
        ("constant", "v1"),
        large=16,
    ),
    Scenario("rows1000-v2", "1,000 rows, V2 JSON, 16 connections", ("v2",), large=16),
    Scenario(
        "rows1000-binary",
        "1,000 rows, V2 binary tensors, 16 connections",
        ("v2-binary",),
        large=16,
    ),
    Scenario(
        "mixed",
        f"1 row, {PACED_PER_S} requests/s by the clock, beside 2 connections "
        "of 1,000 rows",
        ("v1", "v2"),
        small=8,
        large=2,
        paced=True,
    ),
]
