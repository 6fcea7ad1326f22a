"""Runs the calls of a page and holds each answer against what the page says of it.

    calls.py <page> [<text>=<what stands in its place>]...

A call is a block ```sh. Right below it stands what must come of it:

- ```json: values that are part of the answer's, in this order. An object may have more fields than are shown,
  a list more items; "..." is any text but the empty one.
- ```text: lines that are part of the answer's lines, in this order.

A read is repeated until its answer is as written or PATIENCE_S have passed; a create runs once. A call may
use $id, $token and $page: the last `refundId`, `resumeToken` and `nextPageToken` that were answered.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

PATIENCE_S = 30
PAUSE_S = 0.2
FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def values(text):
    """The JSON values of a text, one after the other; none if it is something else."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            return []
        found.append(value)
    return found


def in_order(expected, found, holds):
    """Whether each expected item is held by one of those found, in this order."""
    rest = iter(found)
    return all(any(holds(item, other) for other in rest) for item in expected)


def is_part(expected, found):
    if expected == "...":
        return isinstance(found, str) and found != ""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            key in found and is_part(value, found[key]) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(found, list) and in_order(expected, found, is_part)
    return expected == found


def as_written(kind, expectation, answer):
    if kind == "json":
        expected = values(expectation)
        return expected != [] and in_order(expected, values(answer), is_part)
    lines = [line.strip() for line in expectation.splitlines() if line.strip()]
    return lines != [] and in_order(lines, answer.splitlines(), lambda line, other: line in other)


def remember(answer, known):
    for name, key in (("id", "refundId"), ("token", "resumeToken"), ("page", "nextPageToken")):
        found = re.findall(rf'"{key}": "([^"]+)"', answer)
        if found:
            known[name] = found[-1]


def run(call, known):
    command = ["bash", "-euo", "pipefail", "-c", call]
    done = subprocess.run(
        command, env={**os.environ, **known}, timeout=2 * PATIENCE_S, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    return done.stdout


def calls_of(text):
    """The calls of a page: line, command, kind of the expectation and the expectation."""
    fences = list(FENCE.finditer(text))
    for fence, after in zip(fences, fences[1:] + [None]):
        if fence[1] != "sh":
            continue
        below = after is not None and text[fence.end():after.start()].strip() == ""
        kind = after[1] if below else ""
        line = text[:fence.start()].count("\n") + 2
        if kind not in ("json", "text"):
            sys.exit(f"line {line}: nothing says what comes of this call")
        yield line, fence[2], kind, after[2]


def main(page, *replacements):
    text = pathlib.Path(page).read_text(encoding="utf-8")
    outside = FENCE.sub(lambda fence: "" if fence[1] == "sh" else fence[0], text)
    if "grpcurl -" in outside:
        sys.exit(f"{page}: a call outside of a block ```sh")
    known, count = {}, 0
    for line, call, kind, expectation in calls_of(text):
        for replacement in replacements:
            call = call.replace(*replacement.split("=", 1))
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = run(call, known)
            if as_written(kind, expectation, answer):
                break
            if "/CreateRefund" in call or time.monotonic() > deadline:
                sys.exit(f"{page}:{line}: {call}--- is to answer\n{expectation}--- and answered\n{answer}")
            time.sleep(PAUSE_S)
        remember(answer, known)
        count += 1
        print(f"ok: {page}:{line}")
    if count == 0:
        sys.exit(f"{page}: no calls")


main(*sys.argv[1:])
