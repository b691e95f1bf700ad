"""Checks the answers before anything is written, and escapes them where they are used.

cookiecutter loads `Answers` through `_extensions`. The module's name is unusual because
it stays in `sys.modules` beside those of other templates.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from cookiecutter import generate
from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension
from slugify import slugify

if sys.version_info < (3, 11):  # noqa: UP036 - pipx and uvx take what they find
    raise ImportError(
        "expected Python 3.11 or newer to render with, received "
        f"{sys.version_info[0]}.{sys.version_info[1]}; "
        "for example: uvx --python 3.13 cookiecutter TEMPLATE"
    )

import ml_service_team  # needs tomllib
from ml_service_team import MENUS, QUESTIONS

CHOICES = {name: QUESTIONS[name] for name in MENUS}
TEXT_LENGTH = {"project_name": 60, "description": 200, "author_name": 100}
SLUG_LENGTH = 40
SLUG = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
EMAIL = r"[A-Za-z0-9._%+-]+@([A-Za-z0-9]+(-+[A-Za-z0-9]+)*\.)+[A-Za-z]{2,}"
OWNER = r"(?=.{1,39}$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*"
EXAMPLE = {
    "project_name": "Wine Classifier",
    "project_slug": "wine-classifier",
    "__package_name": "wine_classifier",
    "description": "Predicts the cultivar of a wine.",
    "author_name": "Ada Lovelace",
    "author_email": "ada@example.org",
    "github_owner": "analytical-engines",
} | {name: each[0] for name, each in CHOICES.items()}

# Import and distribution names, since a project has both; spelt as slugs.
DEPENDENCIES = set("""
    a11y-pygments accessible-pygments alabaster annotated-doc annotated-types anyio
    apache-tvm apache-tvm-ffi ast-serialize babel beautifulsoup4 black blackd blib2to3
    bs4 certifi cfgv charset-normalizer click cloudpickle colorama contourpy coverage
    csimdjson cycler dask dateutil detect-secrets distlib distributed docutils execnet
    fastapi fastapi-offline filelock flatbuffers fontTools fonttools fsspec furo google
    googleapis-common-protos granian h11 hatchling httpcore httpcore2 httptools httpx
    httpx2 identify idna imagesize importlib-metadata iniconfig jax jaxlib jinja2 joblib
    kiwisolver lazy-importer librt llvmlite locket markdown-it markdown-it-py markupsafe
    matplotlib mdit-py-plugins mdurl ml-dtypes mpl-toolkits msgpack msgspec mypy
    mypy-extensions mypyc myst-parser narwhals nodeenv numba numpy obstore onnx
    onnxruntime opentelemetry opentelemetry-api opentelemetry-exporter-http-transport
    opentelemetry-exporter-otlp-common opentelemetry-exporter-otlp-proto-common
    opentelemetry-exporter-otlp-proto-http opentelemetry-proto opentelemetry-sdk
    opentelemetry-semantic-conventions opt-einsum orjson packaging pandas partd pathspec
    pil pillow pip platformdirs pluggy pre-commit prometheus-client protobuf psutil py
    pyarrow pydantic pydantic-core pygments pylab pyparsing pysimdjson pytest pytest-cov
    pytest-xdist python-dateutil python-discovery pytokens pyyaml requests
    roman-numerals ruff scikit-learn scipy setuptools simdjson six sklearn
    snowballstemmer sortedcontainers soupsieve sphinx sphinx-basic-ng sphinxcontrib
    sphinxcontrib-applehelp sphinxcontrib-devhelp sphinxcontrib-htmlhelp
    sphinxcontrib-jsmath sphinxcontrib-qthelp sphinxcontrib-serializinghtml starlette
    tblib threadpoolctl tlz toolz tornado truststore tvm tvm-ffi typing-extensions
    typing-inspection tzdata urllib3 uv uvicorn uvloop virtualenv watchfiles websockets
    xdist yaml zict zipp
""".split())
# Modules that only some of the supported Pythons have.
STDLIB = sys.stdlib_module_names | set("""
    aifc annotationlib asynchat asyncore audioop cgi cgitb chunk compression crypt
    distutils imghdr imp lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr
    smtpd spwd sunau telnetlib uu xdrlib
""".split())
# Black, ruff and packagers skip the next four; the last four are reserved by Windows.
FOLDERS = {"src", "tests"} | {"build", "dist", "node-modules", "site-packages"}
FOLDERS |= {"con", "prn", "aux", "nul"}
# Modules in a project's tests/, where Python looks first while tests run.
TESTS = {"asking", "conftest", "known", "line", "oracle", "outcomes", "processes"}
# A name that some version of YAML reads as true, false or null.
YAML_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

FOLDER = "{{cookiecutter.project_slug}}"
HOOK = Path(__file__).parent / "hooks" / "post_gen_project.py"
DEFAULTS = {each for each in QUESTIONS.values() if isinstance(each, str)}
DEFAULTS.add(HOOK.read_text(encoding="utf-8"))
MARKUP = re.compile(r"\{[{%#]")
JOINERS = "\u200c\u200d"  # Persian words and composed emoji need them
MARKDOWN = str.maketrans(
    {each: f"\\{each}" for each in "\\`*_[]#"}
    | {each: f"&#{ord(each)};" for each in "&<>|~$"}
)


def project_slug(name: object) -> str:
    return slugify(str(name), max_length=SLUG_LENGTH, word_boundary=True)


def judge_slug(slug: str) -> Iterator[str]:
    module = slug.replace("-", "_")
    if not slug:
        yield "given by yourself, for project_name has no letters to make it from"
    elif not re.fullmatch(SLUG, slug):
        yield "lower-case letters, digits and single dashes, a letter first"
    if len(slug) > SLUG_LENGTH:
        yield f"{SLUG_LENGTH} characters at most"
    if keyword.iskeyword(module) or keyword.issoftkeyword(module):
        yield "not a Python keyword"
    if module in STDLIB:
        yield "not a module of Python's standard library"
    if slug in DEPENDENCIES:
        yield "not a package that the project itself needs"
    if slug in FOLDERS:
        yield "not a name that has another meaning as a folder"
    if slug in TESTS or module.startswith("test_"):
        yield "not a module of the project's tests"
    if slug in YAML_WORDS:
        yield "not a word that YAML reads as something else"


def judge_text(text: str, length: int) -> Iterator[str]:
    if not 0 < len(text) <= length:
        yield f"1 to {length} characters"
    if text != text.strip():
        yield "no space at either end"
    if hidden := sorted({f"U+{ord(each):04X}" for each in text if is_hidden(each)}):
        yield f"one line of visible characters, without {', '.join(hidden)}"
    if MARKUP.search(text):
        yield "no Jinja markup, which is {{, {% or {#"


def is_hidden(character: str) -> bool:
    """A control, line end, surrogate, direction mark or noncharacter."""
    code, kind = ord(character), unicodedata.category(character)
    if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:
        return True
    return kind in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character not in JOINERS


def broken_rules(question: str, answers: Mapping[str, object]) -> Iterator[str]:
    given = answers.get(question)
    if question in CHOICES:
        choices = ml_service_team.allowed(question, CHOICES[question])
        if given not in choices:
            yield f"one of {', '.join(choices)}"
    elif not isinstance(given, str):
        yield "a text"
    elif question == "project_slug":
        yield from judge_slug(given)
    elif question == "__package_name":
        slug = str(answers.get("project_slug"))
        if given != slug.replace("-", "_") and not list(judge_slug(slug)):
            yield "project_slug with underscores for dashes, as it is made unasked"
    elif question == "author_email":
        if len(given) > 254 or not re.fullmatch(EMAIL, given):
            yield "one plain mail address"
    elif question == "github_owner":
        if not re.fullmatch(OWNER, given):
            yield "a GitHub name: letters, digits and single dashes, 39 at most"
    else:
        yield from judge_text(given, TEXT_LENGTH[question])


def validated(answers: Mapping[str, object]) -> str:
    """Let the answers pass, or refuse them, naming every rule that they break."""
    found = [
        f"  {question}: {rule}\n"
        f"    given:   {answers.get(question, 'nothing')!r:.120}\n"
        f"    example: {question}={example!r}"
        for question, example in EXAMPLE.items()
        for rule in broken_rules(question, answers)
    ]
    refuse(found)
    return "yes"


def refuse(found: list[str]) -> None:
    if found:
        heading = "These answers cannot be used, and nothing was written:"
        raise FailedHookException("\n".join([heading, *found]))


def refused_defaults() -> list[str]:
    """Wrong choices in the user's configuration, which cookiecutter only warns about.

    It then drops that default and all after it, so no other answer can be checked.
    """
    warned = vars(generate).get("__warningregistry__", {})
    texts = [each for each in warned if "Invalid default received" in str(each)]
    for each in texts:
        del warned[each]
    return [f"  {each[0]}" for each in texts]


def quoted(value: object) -> str:
    """A literal that TOML, YAML, JSON and Python all read back to the same text."""
    text = json.dumps(str(value), ensure_ascii=False)
    unsafe = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
    return re.sub(unsafe, lambda found: f"\\u{ord(found.group()):04x}", text)


def docstring(value: object) -> str:
    """Text for a docstring, with quotes escaped: black moves one at the end."""
    return str(value).replace("\\", r"\\").replace('"', r"\x22")


def dockerfile(value: object) -> str:
    """Text between double quotes in a Dockerfile, where variables are filled in."""
    return re.sub(r'(["\\$])', r"\\\1", str(value))


def markdown(value: object) -> str:
    """Text that Markdown shows unchanged, even at a line's start or inside a table."""
    text = str(value).translate(MARKDOWN)
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", text)


class Answers(Extension):
    """Gives the templates filters, and treats answers as text, never as templates."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        refuse(refused_defaults())
        self.is_writing = False
        filters = (docstring, dockerfile, markdown, project_slug, quoted, validated)
        filters += ml_service_team.FILTERS
        environment.filters |= {each.__name__: each for each in filters}

    def preprocess(
        self, source: str, name: str | None, filename: str | None = None  # noqa: ARG002
    ) -> str:
        if source == FOLDER:
            # Rendered before anything is written, even where cookiecutter skips
            # `__validated` (--replay) and the hooks (--accept-hooks=no).
            self.is_writing = True
            return "{{ cookiecutter.project_slug if cookiecutter | validated }}"
        if name or self.is_writing or source in DEFAULTS or not MARKUP.search(source):
            return source
        # An answer from the command line or a file, which cookiecutter would render.
        return f"{{{{ {quoted(source)} }}}}"
