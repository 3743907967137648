"""Talking to the Hub: checks before any work is done, errors in one line, and second attempts."""

import contextlib
import functools
import math
import time
from collections.abc import Callable
from json import JSONDecodeError

from huggingface_hub import HfApi, set_client_factory
from huggingface_hub.errors import HFValidationError, HTTPError, LocalTokenNotFoundError, RepositoryNotFoundError
from huggingface_hub.utils import parse_ratelimit_headers, validate_repo_id
from huggingface_hub.utils._http import default_client_factory

from command_line import UserError

ATTEMPTS = 4
FIRST_WAIT = 1.0  # seconds; doubled at each attempt
LONGEST_WAIT = 300  # seconds; the window in which the Hub counts requests. Commits it counts by the hour.
# RuntimeError is how an upload of a large file ends that was repeated in vain; its cause tells why. OSError: a
# connection below HTTP, and the first download of a file that fails. JSONDecodeError: a gateway's page in its place.
CLIENT_ERRORS = (HFValidationError, LocalTokenNotFoundError, HTTPError, RuntimeError, OSError, JSONDecodeError)


@contextlib.contextmanager
def hub_errors(repo_id: str):
    """Turn errors of the Hub's client into one line.

    Raises:
        UserError: in their place.
    """
    try:
        yield
    except CLIENT_ERRORS as error:
        raise UserError(explain(error, repo_id)) from None


def check_id(repo_id: str) -> None:
    """Whether it has the form user/name.

    Raises:
        UserError: it has not.
    """
    with hub_errors(repo_id):
        validate_repo_id(repo_id)
        if "/" not in repo_id:
            raise HFValidationError("no user")


def open_repo(repo_id: str, repo_type: str, private: bool) -> HfApi:
    """Check id, token, network and permission, and make the repository if it is not there.

    Raises:
        UserError: any of these is missing; the line says which.
    """
    check_id(repo_id)
    with hub_errors(repo_id):
        api = hub_api()
        retry(api.whoami)
        kind = {"repo_type": repo_type} | ({"space_sdk": "gradio"} if repo_type == "space" else {})
        retry(lambda: api.create_repo(repo_id, **kind, private=private or None, exist_ok=True))
        retry(lambda: api.auth_check(repo_id, repo_type=repo_type, write=True))
        return api


def hub_api() -> HfApi:
    """The Hub's client, which waits as long as the Hub asks it to, but not for more than LONGEST_WAIT: it ends with a
    `UserError` then, as the client on its own would sleep for an hour.
    """
    _refuse_long_waits()
    return HfApi()


@functools.cache
def _refuse_long_waits() -> None:
    def check(response) -> None:
        if (seconds := _asked_to_wait(response)) > LONGEST_WAIT:
            raise UserError(
                f"the Hub asks to wait {math.ceil(seconds / 60)} minutes (rate limit); run the same command then: "
                "what was sent is kept"
            )

    def client():
        made = default_client_factory()
        made.event_hooks["response"].append(check)
        return made

    set_client_factory(client)


def _asked_to_wait(response) -> int:
    """For how many seconds an answer asks not to be asked again."""
    if getattr(response, "status_code", None) not in (429, 503):
        return 0
    limit, after = parse_ratelimit_headers(response.headers), response.headers.get("Retry-After", "")
    spent = limit is not None and limit.remaining == 0  # the limit is told with every answer
    return max(limit.reset_in_seconds if spent else 0, int(after) if after.isdecimal() else 0)


def explain(error: Exception, repo_id: str) -> str:
    """An error of the Hub's client as one line that says what to do. Holds no token: headers are not looked at."""
    error = _cause(error)
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, HFValidationError):
        return f"'{repo_id}' is not a repository id like user/name"
    if isinstance(error, LocalTokenNotFoundError):
        return "no token for the Hub: run `hf auth login` or set HF_TOKEN"
    if isinstance(error, RepositoryNotFoundError):  # also a 401, where the Hub won't say which it is
        return f"there is no repository {repo_id}, or this token has no access to it"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return "the Hub refuses the token (invalid or expired): run `hf auth login` again"
    if status == 429:
        return "the Hub gets too many requests (rate limit); run the same command later: what was sent is kept"
    if status == 403:
        return f"no permission to write to {repo_id}: use a token with write access, or another repository"
    if isinstance(error, HTTPError | ConnectionError | TimeoutError) and status is None:
        return f"cannot reach the Hub ({type(error).__name__}): check the network or HF_ENDPOINT"
    if isinstance(error, JSONDecodeError):
        return "the Hub's answer cannot be read (a proxy's page?); run the same command later: what was sent is kept"
    if status is None:
        return f"{type(error).__name__} while talking to the Hub about {repo_id}"
    return f"the Hub answers {status} for {repo_id}"


def retry(action: Callable, attempts: int = ATTEMPTS, wait: float = FIRST_WAIT):
    """Call `action`; after what may pass (a server's error, a conflict, a lost connection) call it again, not
    sooner than the Hub asks for.

    Raises:
        Exception: the last attempt's, or the first one's that will not pass.
    """
    for attempt in range(attempts):
        try:
            return action()
        except CLIENT_ERRORS as error:
            if attempt == attempts - 1 or not _may_pass(error):
                raise
            time.sleep(max(wait * 2**attempt, _asked_to_wait(getattr(_cause(error), "response", None))))


def _may_pass(error: Exception) -> bool:
    if isinstance(_cause(error), UserError | HFValidationError | LocalTokenNotFoundError | FileNotFoundError):
        return False
    status = getattr(getattr(_cause(error), "response", None), "status_code", None)
    return status is None or status in (409, 412, 429) or status >= 500


def _cause(error: Exception) -> Exception:
    """What the client wrapped, if it says."""
    wrapped = isinstance(error, RuntimeError | FileNotFoundError) and isinstance(error.__cause__, Exception)
    return error.__cause__ if wrapped else error
