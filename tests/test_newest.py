"""What the monthly job takes out of a project's requirements."""

from __future__ import annotations

import tomllib

from newest import loosened


def test_caps_and_pins_are_gone_and_nothing_else_changes(render):
    before = render().text("pyproject.toml")
    after = loosened(before)
    old, new = tomllib.loads(before), tomllib.loads(after)
    wanted = new["project"]["dependencies"] + new["dependency-groups"]["dev"]
    given = [each for each in wanted if isinstance(each, str)]
    assert [each for each in given if "<" in each.split(";")[0] or "==" in each] == []
    assert "black>=26.10.1" in given
    assert "numpy>=2.4" in given
    assert any(each.endswith("; sys_platform != 'win32'") for each in given)
    for table in ("build-system", "tool"):
        assert new[table] == old[table]
    changed = {"dependencies"}
    assert {
        name for name in old["project"] if old["project"][name] != new["project"][name]
    } == changed
