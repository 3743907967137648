"""Whether the weights in a repository are whole, by a look at the beginning of each file, or at all of it."""

import json

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from hub_cards.remote import read
from run_directory.hub import retry

_BEGINNING = 100_000  # bytes, within which nearly every header of a safetensors file ends
_INDEX = ".safetensors.index.json"


class Contents:
    """Looks into files, each content once.

    Args:
        api, repo_id: of the repository.
        download: whether to fetch large files whole, and compare them with the Hub's checksums.
    """

    def __init__(self, api: HfApi, repo_id: str, download: bool = False):
        self.api, self.repo_id, self.download = api, repo_id, download
        self._known: dict[str, str | None] = {}

    def problems(self, commit: str, files: dict[str, RepoFile]) -> list[str]:
        """What is wrong with the files of a commit, a line each."""
        found = []
        for path, entry in sorted(files.items()):
            if entry.blob_id not in self._known:
                self._known[entry.blob_id] = self._problem(commit, entry)
            if wrong := self._known[entry.blob_id]:
                found.append(f"{path} {wrong}")
            if path.endswith(_INDEX):
                found += self._missing_parts(commit, entry, files)
        return found

    def _problem(self, commit: str, entry: RepoFile) -> str | None:
        if self.download and entry.lfs and not self._is_as_listed(commit, entry):
            return "is not what the Hub's checksum says"
        if not entry.path.endswith(".safetensors"):
            return None
        wanted = self._size_by_header(commit, entry)
        if wanted is None:
            return "has no header of a safetensors file"
        return None if wanted == entry.size else f"has {entry.size:,} bytes, but its header tells of {wanted:,}"

    def _is_as_listed(self, commit: str, entry: RepoFile) -> bool:
        try:
            read(self.api, self.repo_id, entry, commit)
        except OSError as error:
            if getattr(error, "response", None) is not None:
                raise
            return False
        return True

    def _size_by_header(self, commit: str, entry: RepoFile) -> int | None:
        """How long a safetensors file should be: 8 bytes that tell the length of the header, the header, the data."""
        content = self._range(commit, entry, 0, min(_BEGINNING, entry.size))
        length = int.from_bytes(content[:8], "little")
        if 8 + length > entry.size:
            return None
        if 8 + length > len(content):
            content += self._range(commit, entry, len(content), 8 + length)
        try:
            header = json.loads(content[8 : 8 + length])
            ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError, IndexError):
            return None
        return 8 + length + max(ends, default=0)

    def _range(self, commit: str, entry: RepoFile, begin: int, end: int) -> bytes:
        if begin >= end:
            return b""
        url = hf_hub_url(self.repo_id, entry.path, revision=commit)

        def ask() -> bytes:
            answer = get_session().get(url, headers=build_hf_headers() | {"range": f"bytes={begin}-{end - 1}"})
            hf_raise_for_status(answer)
            return answer.content

        return retry(ask)

    def _missing_parts(self, commit: str, entry: RepoFile, files: dict[str, RepoFile]) -> list[str]:
        try:
            parts = {*json.loads(retry(lambda: read(self.api, self.repo_id, entry, commit)))["weight_map"].values()}
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            return [f"{entry.path} is damaged"]
        folder = entry.path.rpartition("/")[0]
        placed = {f"{folder}/{part}" if folder else str(part) for part in parts}
        return [f"{part} is missing, though {entry.path} names it" for part in sorted(placed - files.keys())]
