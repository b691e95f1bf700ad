"""Which files a project has, for each choice that decides over files."""

from __future__ import annotations

import pytest
from conftest import TEMPLATE

LICENSES = {
    "Apache-2.0": "                                 Apache License",
    "MIT": "MIT License",
    "BSD-3-Clause": "BSD 3-Clause License",
    "Proprietary": "Copyright (c) Ada Lovelace. All rights reserved.",
}


@pytest.mark.parametrize("license", LICENSES)
def test_each_license_is_one_file_with_its_own_text(render, license):
    rendered = render(license=license, author_name="Ada Lovelace")
    assert [each for each in rendered.files() if "LICENSE" in each] == ["LICENSE"]
    text = rendered.text("LICENSE")
    assert text.startswith(LICENSES[license] + "\n")
    assert license == "Apache-2.0" or "Copyright (c) Ada Lovelace" in text


def test_the_package_is_named_after_the_slug(render):
    rendered = render(project_slug="my-wine-2")
    assert "src/my_wine_2/__init__.py" in rendered.files()


def test_no_folder_is_left_empty(render):
    folders = [each for each in render().path.rglob("*") if each.is_dir()]
    assert [each for each in folders if not any(each.iterdir())] == []


def test_no_folder_name_of_the_template_is_conditional():
    product = TEMPLATE / "{{cookiecutter.project_slug}}"
    folders = [each.name for each in product.rglob("*") if each.is_dir()]
    assert [each for each in folders if "{%" in each] == []
