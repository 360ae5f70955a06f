"""Claims: whoever makes a backup and whoever deletes one see each other in the object store.

A deletion removes what no backup needs; what is being made needs objects that no backup names yet.
Each of the two puts its claim first and looks for the other's then, so at least one of them sees
the other: a backup is not begun beside a deletion, and a deletion beside a backup that is being
made leaves the objects to the next one.
"""

from collections.abc import Iterator
from typing import Final, Literal

from tierfold.engine.backup.layout import claims_folder, is_backup_id, made_ms
from tierfold.errors import BackupBusyError
from tierfold.ports import Objects, WallClock

Verb = Literal["create", "delete"]

CLAIM_MS: Final = 10 * 60_000  # an older claim is of somebody who died
_RENEWED_MS: Final = 60_000


class Claim:
    """One of us is at it; renewed now and then, taken back in the end."""

    def __init__(self, objects: Objects, tenant: str, verb: Verb, wall: WallClock) -> None:
        self._objects = objects
        self._folder = claims_folder(tenant)
        self._verb = verb
        self._wall = wall
        self._key = ""
        self._claimed_ms = 0

    def begin(self, claim: str) -> None:
        """Claim, under an id whose time is now."""
        before, self._key = self._key, f"{self._folder}{self._verb}-{claim}"
        self._claimed_ms = self._wall.unix_ms()
        self._objects.put_new(self._key, b"")
        if before:
            self._objects.delete([before])

    @property
    def is_old(self) -> bool:
        """Whether it should be renewed."""
        return abs(self._wall.unix_ms() - self._claimed_ms) >= _RENEWED_MS

    def renew(self, claim: str) -> None:
        """Claim anew; raises BackupBusyError where that comes too late to count on it."""
        if abs(self._wall.unix_ms() - self._claimed_ms) >= CLAIM_MS:
            problem = "this was stopped for too long to go on safely: run it again"
            raise BackupBusyError(problem)
        self.begin(claim)

    def others(self, verb: Verb) -> bool:
        """Whether somebody else has a claim that counts; removes those of the dead."""
        dead: list[str] = []
        is_found = False
        for key, age_ms in self._claims():
            if age_ms >= CLAIM_MS:
                dead.append(key)
            elif key != self._key and key.startswith(f"{self._folder}{verb}-"):
                is_found = True
        if dead:
            self._objects.delete(dead)
        return is_found

    def end(self) -> None:
        """Take it back."""
        if self._key:
            self._objects.delete([self._key])
            self._key = ""

    def _claims(self) -> Iterator[tuple[str, int]]:
        now_ms = self._wall.unix_ms()
        for key in self._objects.keys(self._folder):
            claim = key.removeprefix(self._folder).partition("-")[2]
            if is_backup_id(claim):
                yield key, abs(now_ms - made_ms(claim))
