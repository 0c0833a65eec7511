"""Talking to a model hub: its errors, each told in one message with what mends it.

Here: what every request to a hub has in common. Not here: which revisions are checkpoints (revisions.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from catalog.errors import UserError


class HubUnreachable(UserError):
    """The hub did not answer, or must not be asked."""


@contextmanager
def told_by_hub(where: str) -> Iterator[None]:
    """Turns the hub's errors into one message each.

    Raises:
        HubUnreachable: it did not answer.
        UserError: it has no such repository or revision, or does not hand it out.
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
            mend="Accept it on the hub's page of the repository, then log in with `hf auth login`.",
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            "The hub has no such repository, or it is private.",
            where=where,
            mend="Check organisation and name; for a private one log in with `hf auth login`.",
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(
            "The repository has no such revision.", where=where, mend="Name a branch, tag or commit of it."
        ) from error
    except HfHubHTTPError as error:
        raise UserError(f"The hub refused: {error}", where=where, mend="Try again later.") from error
    except (HTTPError, OfflineModeIsEnabled, IncompleteSnapshotError, LocalEntryNotFoundError) as error:
        raise HubUnreachable(
            f"The model hub can't be reached: {error}",
            where=where,
            mend="Connect to the network and unset HF_HUB_OFFLINE, let HF_ENDPOINT name a hub that can be reached, "
            "or leave out of the study what has to be fetched from it.",
        ) from error
