#!/usr/bin/env python3
"""Writes corpus-seeds/sql and corpus-seeds/placeholders from the statements real plugins use.

Of those it takes as many as are needed to see each word next to each other word once. Run it again
when the statements have changed:

    fuzz/make_seeds.py
"""

import json
import pathlib
import re

FUZZ = pathlib.Path(__file__).resolve().parent
STATEMENTS = FUZZ.parent / "crates/bailey-services/tests/data/sql/corpus.jsonl"
MOST_BYTES = 500
# Pairs of words a statement must add to be taken, and statements to take at most.
NEW_PAIRS = 3
MOST = 80


def pairs(sql: str) -> set[tuple[str, str]]:
    words = re.findall(r"[A-Z_]{2,}|%s|\$\d|[^\w\s]+", sql)
    return set(zip(words, words[1:]))


def numbered(sql: str) -> str:
    count = 0

    def number(_match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"${count}"

    return re.sub(r"%s\b", number, sql)


def chosen(statements: list[str]) -> list[str]:
    left, seen, taken = list(dict.fromkeys(statements)), set(), []
    while left and len(taken) < MOST:
        best = max(left, key=lambda sql: len(pairs(sql) - seen) / (len(sql) + 50))
        left.remove(best)
        if len(pairs(best) - seen) >= NEW_PAIRS:
            taken.append(best)
            seen |= pairs(best)
    return taken


def write(target: str, seeds: list[str]) -> None:
    folder = FUZZ / "corpus-seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("statement_*"):
        old.unlink()
    for number, seed in enumerate(seeds, 1):
        (folder / f"statement_{number:02}").write_text(seed)


def main() -> None:
    statements = [json.loads(line)["sql"] for line in STATEMENTS.read_text().splitlines()]
    statements = [sql for sql in statements if len(sql) <= MOST_BYTES]
    taken = chosen(statements)
    write("sql", [numbered(sql) for sql in taken])
    write("placeholders", [sql for sql in taken if "%" in sql or "$" in sql])


if __name__ == "__main__":
    main()
