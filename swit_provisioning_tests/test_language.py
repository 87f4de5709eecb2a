"""Texts for users are plain English: standard terms, and sentences that are easy to read."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "deploy" / "README.md",
    ROOT / "docs" / "README.md",
    *sorted(
        page
        for kind in ("tutorial", "how-to", "reference", "explanation")
        for page in (ROOT / "docs" / kind).glob("*.md")
    ),
]
ROOMS = (
    "apply",
    "cli",
    "defs",
    "gateway",
    "operations",
    "planning",
    "report",
    "sandbox",
    "sources",
    "state",
    "swit",
)
MOST_WORDS = 30
_FEWEST_WORDS = 4
BANNED = (
    r"whoever|whichever|whatever",
    r"thereof|wherein|whereupon|hereby|of which",
    r"stands? for|standing",
    r"leavers?|joiners?",
    r"let go|lets go|may go|would go",
    r"looked after|in vain|strangers?|bury|buried",
    r"is told|are told|was told|be told",
    r"the way out|the way on",
    r"somebody|nobody's",
    r"who is back|who came back|is back",
    r"mend|mended|mends",
    r"be it",
)
"""Private metaphors, everyday words with a private meaning, and forms that are hard to read."""


def prose(markdown: str) -> Iterator[str]:
    """Paragraphs, list items, headings and table cells, without code."""
    text = re.sub(r"^ *```.*?^ *```$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"`[^`]*`", "CODE", text)
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            yield from line.strip("|").split("|")
        elif not line.strip() or re.match(r"\s*(#|[-*] |\d+\. )", line):
            yield " ".join(lines)
            lines = [line] if line.strip() and not line.startswith("#") else []
            yield line if line.startswith("#") else ""
        else:
            lines.append(line)


def sentences(text: str) -> Iterator[str]:
    """Sentences of a paragraph."""
    yield from re.split(r"(?<=[.!?])\)?\s+|(?<=[.!?])(?=CODE)|<br>", text)


def problems(text: str) -> Iterator[str]:
    """Banned words, and sentences that are too long."""
    for pattern in BANNED:
        for found in re.finditer(rf"\b(?:{pattern})\b", text, re.IGNORECASE):
            yield f"{found[0]!r} in: {text.strip()}"
    for sentence in sentences(text):
        words = re.findall(r"\w[\w'.@-]*", sentence)
        if len(words) > MOST_WORDS:
            yield f"{len(words)} words: {sentence.strip()}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_is_plain_english(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [problem for part in prose(text) for problem in problems(part)] == []


@pytest.mark.parametrize(
    "text",
    [
        "Whoever applies it is told.",
        "This account stands for a person.",
        " ".join(["word"] * (MOST_WORDS + 1)) + ".",
    ],
)
def test_the_check_finds_a_banned_word_and_a_long_sentence(text: str) -> None:
    assert list(problems(text))
    assert not list(problems("You approve a plan. It is sent once."))


def docstrings(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield id(statement.value)


def literals(path: Path) -> Iterator[str]:
    """Texts of four words and more in a module, without docstrings, styles and markup."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = set(docstrings(tree))
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.JoinedStr):
            known |= {id(value) for value in node.values}
            parts = (v.value if isinstance(v, ast.Constant) else "CODE" for v in node.values)
            text = "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and id(node) not in known:
            text = str(node.value)
        if len(text.split()) >= _FEWEST_WORDS and not re.search(r"</?\w+[ >]|\{ ", text):
            yield re.sub(r"`[^`]*`", "CODE", text)


@pytest.mark.parametrize("room", ROOMS)
def test_the_texts_of_the_program_are_plain_english(room: str) -> None:
    """Help texts, descriptions, findings, messages of guards, errors: every literal."""
    paths = sorted((ROOT / "swit_provisioning" / room).rglob("*.py"))
    assert paths
    assert [
        f"{path.relative_to(ROOT)}: {problem}"
        for path in paths
        for text in literals(path)
        for problem in problems(text)
    ] == []
