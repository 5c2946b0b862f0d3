"""Ending processes on Windows: taskkill on the tree, as there are neither process groups nor signals.

A descendant is found through its parent's pid, which ends to tell anything once the parent is gone; so descendants are
remembered (pid and creation time) whenever the tree is looked at, and the ones left over are ended one by one.
`taskkill` is started and not waited for: whether it worked shows in who is still there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

import psutil

from swapyard.runtime.procfs import Identity

CREATE_NO_WINDOW = 0x08000000


def _run_unseen(argv: Sequence[str]) -> None:
    # The handle is dropped on purpose: Windows keeps no zombies.
    subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        creationflags=CREATE_NO_WINDOW,
    )


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


class WindowsTree:
    """`run` starts a command, `descendants` lists a live process's; both are replaceable for tests elsewhere."""

    def __init__(
        self,
        leader: int,
        leader_is_held: Callable[[], bool],
        run: Callable[[Sequence[str]], None] = _run_unseen,
        descendants: Callable[[int], list[psutil.Process]] = _descendants,
    ) -> None:
        self.leader = leader
        self._leader_is_held = leader_is_held
        self._run = run
        self._descendants = descendants
        self._known: dict[int, psutil.Process] = {}
        self._was_empty = False
        self._asked = False

    def leader_is_alive(self) -> bool:
        return self._leader_is_held()

    def is_empty(self) -> bool:
        if not self._was_empty and not self._leader_is_held() and not self._left_over():
            self._was_empty = True
        return self._was_empty

    def look(self) -> None:
        self._left_over()

    def terminate(self) -> None:
        if not self._asked:
            self._asked = True
            self._taskkill()

    def kill(self) -> set[Identity]:
        self._taskkill("/f")
        return set()

    def _taskkill(self, *options: str) -> None:
        if self.is_empty():
            return
        left_over = self._left_over()
        if self._leader_is_held():
            self._run(["taskkill", *options, "/t", "/pid", str(self.leader)])
        else:
            for process in left_over:
                self._run(["taskkill", *options, "/t", "/pid", str(process.pid)])

    def _left_over(self) -> list[psutil.Process]:
        """Descendants that live, remembered ones included."""
        roots = [self.leader] if self._leader_is_held() else list(self._known)
        for root in roots:
            if root == self.leader or self._known[root].is_running():
                self._known |= {process.pid: process for process in self._descendants(root)}
        self._known = {pid: process for pid, process in self._known.items() if process.is_running()}
        return list(self._known.values())
