"""The one exception for faults that a user can mend. Not here: faults of our own, which stay ordinary exceptions."""

from __future__ import annotations


class UserError(Exception):
    """Bad input or a bad environment, told in one message.

    Attributes:
        what: what is wrong, in one sentence.
        where: the file, key path, checkpoint or address that it is about.
        mend: what the user can do about it.
        lasting: the same bytes will fail again by the same code, so that nothing tries them again by itself: a pickle,
            an unknown architecture. What the world around may mend (network, disk, licence) is not lasting.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "", lasting: bool = False) -> None:
        self.what, self.where, self.mend, self.lasting = what, where, mend, lasting
        super().__init__(what, where, mend)

    def __str__(self) -> str:
        where = f"\n  where: {self.where}" if self.where else ""
        mend = f"\n  mend:  {self.mend}" if self.mend else ""
        return f"{self.what}{where}{mend}"
