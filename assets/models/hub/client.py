"""Talking to a model hub: its errors, each told in one message with what mends it, and which of them pass by waiting.

Here: what every request to a hub has in common. Not here: which revisions are checkpoints (revisions.py), what is
asked for (listing.py, fetching.py). Messages never hold headers or addresses, which may carry a token or a signature.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from catalog.errors import UserError

T = TypeVar("T")

TRIES = 5
LONGEST_WAIT_S = 300
"""A hub that asks for more patience than this is not waited for; its rate limits count over five minutes."""
PASSING = (408, 429, 500, 502, 503, 504)
"""Statuses that the same request may not meet again."""


class HubUnreachable(UserError):
    """The hub did not answer, or must not be asked."""


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids every request."""
    from huggingface_hub import constants

    return constants.is_offline_mode()


@contextmanager
def told_by_hub(where: str) -> Iterator[None]:
    """Turns the hub's errors into one message each.

    Raises:
        HubUnreachable: it did not answer.
        UserError: it has no such repository or revision, does not hand it out, or is not well.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,
        IncompleteSnapshotError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise UserError(
            "The repository asks for a licence to be accepted.",
            where=where,
            mend="Accept it on the hub's page of the repository, then log in with `hf auth login` or set HF_TOKEN.",
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            "The hub has no such repository, or it is private.",
            where=where,
            mend="Check organisation and name; for a private one log in with `hf auth login` or set HF_TOKEN.",
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(
            "The repository has no such revision.", where=where, mend="Name a branch, tag or commit of it."
        ) from error
    except HfHubHTTPError as error:
        raise _refusal(error, where) from error
    except OfflineModeIsEnabled as error:
        raise HubUnreachable(
            "This is not in the cache, and HF_HUB_OFFLINE forbids to ask the hub for it.",
            where=where,
            mend="Unset HF_HUB_OFFLINE where there is a network, and run the same command again.",
        ) from error
    except (HTTPError, IncompleteSnapshotError, LocalEntryNotFoundError) as error:
        raise HubUnreachable(
            f"The model hub can't be reached: {error}",
            where=where,
            mend="Connect to the network, let HF_ENDPOINT name a hub that can be reached, leave out of the study what "
            "has to be fetched from it, or set HF_HUB_OFFLINE=1, which works with what is cached.",
        ) from error


def patiently(ask: Callable[[], T], say: Callable[[str], None] = lambda line: None) -> T:
    """Asks again where the fault may pass: a few times, waiting as long as the hub wants, else longer each time.

    A hub that no connection reaches is not asked again.

    Raises:
        Exception: what `ask` raised last.
    """
    for n_tries in range(1, TRIES + 1):
        try:
            return ask()
        except Exception as error:
            wait = wait_s(error, n_tries)
            if n_tries == TRIES or wait is None:
                raise
            say(f"the hub answered {_kind(error)}: asked again in {wait} s")
            time.sleep(wait)
    raise AssertionError("unreachable")


def wait_s(error: Exception, n_tries: int) -> int | None:
    """Seconds until a request that failed so is worth another try; None = it is not."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    longer = 2 ** (n_tries - 1)
    if isinstance(error, HfHubHTTPError):
        if error.response.status_code not in PASSING:
            return None
        wanted = error.response.headers.get("Retry-After", "")
        if not wanted.isdigit():
            return longer
        return int(wanted) if int(wanted) <= LONGEST_WAIT_S else None
    names = {kind.__name__ for kind in type(error).__mro__}
    return longer if isinstance(error, HTTPError) and not names & {"ConnectError", "ProxyError"} else None


def _kind(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.status_code) if response is not None else type(error).__name__


def _refusal(error: Exception, where: str) -> UserError:
    """A message for a status that the hub's own kinds of errors do not cover."""
    status = int(_kind(error))
    if status == 401:
        return UserError(
            "The hub does not accept the token.",
            where=where,
            mend="Log in again with `hf auth login`, or renew HF_TOKEN.",
        )
    if status == 403:
        return UserError(
            "The token does not give the right to read this.",
            where=where,
            mend="Make one that may read the repository's contents, and log in with it.",
        )
    if status == 429:
        return UserError(
            "The hub answers fewer requests than were asked (429), also after waiting.",
            where=where,
            mend="Run the same command again later; who is logged in may ask more often.",
        )
    return UserError(f"The hub refused: it answered {status}.", where=where, mend="Try again later.")
