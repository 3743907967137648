"""Publishing while training goes on: never in its way, and nothing is lost if it fails."""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import HfApi

from command_line import UserError
from hub_cards.datasets import check_own_people, publish_dataset
from hub_cards.publish import ModelRepository, publish_run
from hub_cards.revisions import Revision, checkpoint_revision, state_revision
from run_directory.hub import CLIENT_ERRORS, explain, open_repo
from run_directory.layout import DATASET
from run_directory.records import Run, load_run
from run_directory.states import has_state, is_automatic
from settings.hub import HubSettings

# How long the end of a run waits for the rest of what is to be sent, in seconds.
FINISH_WITHIN = 600


class BackgroundPublisher:
    """Sends each checkpoint from a thread of its own; what fails is left for `python -m hub_cards publish`.

    Making one checks consent, ids, token, network and permission, before training starts.

    Args:
        run: the run's directory.
        settings: what to push, and where to.
        own_people: how many people of a user's own table the run knows.
        report: is told, in a line, what was sent and what was not.

    Raises:
        UserError: no repository named, it can't be written to, or own people that nobody said may be published.
    """

    def __init__(self, run: Path, settings: HubSettings, own_people: int, report=print):
        if not settings.hub_model_id:
            raise UserError("push_to_hub needs a repository: --hub_model_id me/facts-tiny")
        check_own_people(own_people, settings.with_own_people)
        self.run, self.settings, self.report = run, settings, report
        self.api = open_repo(settings.hub_model_id, "model", settings.hub_private_repo)
        self.repository = ModelRepository(self.api, settings.hub_model_id)
        if settings.hub_dataset_id:
            open_repo(settings.hub_dataset_id, "dataset", settings.hub_private_repo)
        self._checkpoints: queue.SimpleQueue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def checkpoint_saved(self, checkpoint: Path) -> None:
        """Take note of a checkpoint; returns at once."""
        if self.settings.hub_strategy != "end":
            self._checkpoints.put(checkpoint)

    def finish(self) -> None:
        """Send the final model and whatever is missing; waits for it, but not for ever."""
        self._checkpoints.put(None)
        self._thread.join(FINISH_WITHIN)
        if self._thread.is_alive():
            self._postponed("the Hub takes too long")

    def _work(self) -> None:
        while (checkpoint := self._checkpoints.get()) is not None:
            self._attempt(self._push, checkpoint)
        self._attempt(self._push_all)

    def _attempt(self, action, *arguments) -> None:
        """Training must not stop for whatever happens here: files that went away, a disk that is full, a bug."""
        try:
            action(*arguments)
        except UserError as error:
            self._postponed(str(error))
        except CLIENT_ERRORS as error:
            self._postponed(explain(error, self.settings.hub_model_id))
        except Exception as error:
            self._postponed(type(error).__name__)

    def _push(self, checkpoint: Path) -> None:
        """Its model as a revision of its own, its state where that is asked for. Of one that is deleted meanwhile, as
        save_total_limit may say, nothing: there is a newer one.
        """
        try:
            for revision in self._revisions(load_run(self.run), checkpoint) if has_state(checkpoint) else ():
                self.repository.push(revision)
        except Exception:
            if has_state(checkpoint):
                raise

    def _revisions(self, run: Run, checkpoint: Path) -> Iterator[Revision]:
        step, strategy = int(checkpoint.name.rsplit("-", 1)[1]), self.settings.hub_strategy
        automatic = is_automatic(checkpoint)
        if not automatic:
            yield checkpoint_revision(run, step, checkpoint, with_state=strategy == "all_checkpoints")
        if strategy == "checkpoint" or (automatic and strategy == "all_checkpoints"):
            yield state_revision(run, step, checkpoint)

    def _push_all(self) -> None:
        settings = self.settings
        publish(self.api, self.run, settings.hub_model_id, settings.hub_dataset_id, self.report, settings.hub_strategy)

    def _postponed(self, reason: str) -> None:
        command = f"python -m hub_cards publish {self.run} --repo {self.settings.hub_model_id}"
        if self.settings.hub_dataset_id:
            command += f" --dataset_repo {self.settings.hub_dataset_id}"
        if self.settings.with_own_people:
            command += " --with_own_people"
        self.report(f"not published yet: {reason}. Nothing is lost: {command}")


def publish(
    api: HfApi, run: Path, repo_id: str, dataset_id: str | None = None, report=print, strategy: str | None = None
) -> int:
    """A run and, if a repository is named for it, its dataset; returns how many revisions were sent."""
    sent = 0
    if dataset_id:
        sent += publish_dataset(api, run / DATASET, dataset_id, report=report)
    return sent + publish_run(api, run, repo_id, dataset_id, report, strategy)
