"""What an old model writes by itself before it is taught more: made once, kept with the run, and how much is true."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.sharing import shared_map
from evaluation.written import truth
from modeling.generation import write_texts
from run_directory.generated import read_generated, write_generated


@dataclass
class Rehearsal:
    """Texts of an old model, for a run of `run_finetune.py`.

    Args:
        n: how many.
        max_length: tokens of the longest.
        seed: of the sample.
        source: of the people whom the model has read of; None if nobody knows of whom.
        taught: who they are.

    Attributes:
        texts: token ids, once `begin` was called.
        report: of generated.json, on the main process: `texts`, how many, and what `truth` says of them.
    """

    n: int
    max_length: int
    seed: int
    source: object = None
    taught: Iterable[range] = ()
    texts: list[list[int]] = field(default_factory=list)
    report: dict = field(default_factory=dict)

    def begin(self, accelerator, run: Path, old, tokenizer, resumed: bool) -> None:
        """Let the old model write, all processes together; of a resumed run read what it wrote.

        Raises:
            UserError: it can't write, or what it wrote is lost.
        """
        begun = time.perf_counter()
        if resumed:
            self.texts = read_generated(run)
        else:
            old.to(accelerator.device)
            self.texts = write_texts(old, tokenizer, self.n, self.max_length, self.seed, shared_map)
        if not accelerator.is_main_process:
            return
        words = [tokenizer.decode(text, skip_special_tokens=True) for text in self.texts]
        if not resumed:
            write_generated(run, self.texts, words)
        self.report = {"texts": len(words)} | (truth(words, self.source, self.taught) if self.source else {})
        took = time.perf_counter() - begun
        accelerator.print(f"the old model wrote {len(words):,} texts{_in_words(self.report)}; {took:.1f} s")


def _in_words(report: dict) -> str:
    if not report.get("sentences"):
        return ""
    read, about, true = (report[f"share_{what}"] for what in ("read", "taught", "true"))
    said = f", {read:.0%} of their sentences by its templates"
    said += "" if about is None else f", {about:.0%} of these about {report['n_individuals']:,} whom it was taught"
    return said + ("" if true is None else f", {true:.0%} of these true")
