"""Try to break runs at random, and count what survives. Not a part of `make test`; 12 minutes if not told otherwise.

python -m tests.campaign                          # all kinds, in turn, each as long
python -m tests.campaign kills --minutes 3 --seed 7
python -m tests.campaign --table campaign.md      # the table of docs/REPRODUCING.md
"""

import argparse
import importlib
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.campaign.trial import Broken

KINDS = {
    "kills": "killed or told to stop, one to three times, at any moment, then gone on with",
    "disk": "out of disk space at any byte, then gone on with",
    "damage": "a file cut, emptied, altered or replaced, then read, resumed, fine-tuned, published",
    "hub": "published through errors, lost answers, cut connections and changed repositories",
}


def main() -> int:
    """Trials of each kind until its time is over; 1 if some broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], help="all if none is given")
    parser.add_argument("--minutes", type=float, default=12, help="for all kinds together")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of what happens when")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the counts there, as Markdown")
    given = parser.parse_args()
    kinds, counts = given.kinds or list(KINDS), {}
    with tempfile.TemporaryDirectory(prefix="campaign-") as directory:
        for kind in kinds:
            (Path(directory) / kind).mkdir()
            counts[kind] = _try(kind, given.seed, 60 * given.minutes / len(kinds), Path(directory) / kind)
    table = _table(counts, given.seed)
    print(table)
    if given.table:
        given.table.write_text(table + "\n")
    return int(any(count["broken"] for count in counts.values()))


def _try(kind: str, seed: int, seconds: float, directory: Path) -> Counter:
    """Counts of `survived`, `broken`, and whatever else the trials of a kind count."""
    draw, counts = random.Random(f"{seed} {kind}"), Counter()
    campaign = importlib.import_module(f"tests.campaign.{kind}").Campaign(directory)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        number = counts["survived"] + counts["broken"]
        try:
            counts.update(campaign.trial(draw, directory / str(number)))
            counts["survived"] += 1
        except Exception as error:
            counts["broken"] += 1
            said = str(error) if isinstance(error, Broken) else traceback.format_exc()
            print(f"\n{kind} {number} (--seed {seed}): {said}", file=sys.stderr)
        if sys.stderr.isatty():
            print(f"\r{kind}: {dict(counts)}", end="", file=sys.stderr)
    return counts


def _table(counts: dict[str, Counter], seed: int) -> str:
    lines = [
        f"| what happened (`python -m tests.campaign --seed {seed}`) | tried | survived | among them |",
        "|---|--:|--:|---|",
    ]
    for kind, count in counts.items():
        tried = count["survived"] + count["broken"]
        others = ", ".join(
            f"{n} {what}" for what, n in sorted(count.items()) if n and what not in ("survived", "broken")
        )
        lines.append(f"| {KINDS[kind]} | {tried} | {count['survived']} | {others} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
