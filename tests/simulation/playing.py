"""Plays a history to its end, and says what is wrong."""

from __future__ import annotations

from tests.simulation import checks, loading, sets
from tests.simulation.acts import SILENT, Acts
from tests.simulation.checks import Problem
from tests.simulation.finding import Finding
from tests.simulation.history import KEY, NEIGHBOUR, Act, History
from tests.simulation.loading import Edit
from tests.simulation.scheduler import EPOCH
from tests.simulation.world import ENDLESS, World

# Seconds for which a call of the trigger may fail before messages are received too often.
SPENDING = 2700.0


def left(finding: Finding, edits: tuple[Edit, ...] = ()) -> list[Problem]:
    """What is wrong after the history of a finding."""
    play = Play(finding.history, edits)
    if finding.made:
        play.problems += checks.given_up(play.world)
    if finding.stands not in (None, bool(sets.outputs(play.world.output, KEY))):
        play.problems.append(Problem("outputs", "there is no set" if finding.stands else "there is a set"))
    return play.problems


def problems(history: History, edits: tuple[Edit, ...] = ()) -> list[Problem]:
    return Play(history, edits).problems


class Play:
    """A history that was played. `lines` tell what happened, if it is to `narrate`."""

    def __init__(self, history: History, edits: tuple[Edit, ...] = (), *, narrate: bool = False) -> None:
        self.world = World(history, loading.load(history.express, edits), narrate=narrate)
        self._acts = Acts(self.world)
        self._said_all = True  # each change had a message so far
        self.problems: list[Problem] = []
        try:
            self._play(history)
        finally:
            self.world.close()

    @property
    def lines(self) -> list[str]:
        return self.world.lines or []

    def _play(self, history: History) -> None:
        world = self.world
        for act in history.acts:
            world.scheduler.at(EPOCH + act.at, lambda act=act: self._act(act))  # type: ignore[misc]
        for event_source in world.event_sources:
            world.scheduler.at(EPOCH + history.end(), event_source.resume)
        world.scheduler.at(EPOCH + history.end(), lambda: world.deploy_limit(0))
        quiet = world.run(history.end() + ENDLESS)
        if quiet and not (self._said_all and not self._has_lost()):
            for key in (KEY, NEIGHBOUR):
                self._acts.do(Act(0.0, "ask", key))
            quiet = world.run(history.end() + 2 * ENDLESS)
        if quiet and self._has_spent() and self._was_out():
            self._acts.do(Act(0.0, "redrive"))  # as OPERATIONS.md says: it must repair the key
            quiet = world.run(history.end() + 3 * ENDLESS)
        if not quiet:
            self.problems.append(Problem("endless", "something still happens after hours"))
        self.problems += checks.all_of(world)

    def _act(self, act: Act) -> None:
        world = self.world
        told = self._said_all and not self._has_lost() and not self._has_spent()
        if told and world.is_quiet() and not self.problems:
            self.problems += checks.outputs(world)  # also between the acts, whenever nothing is under way
            self.problems += checks.mixes(world)
        self._said_all &= act.kind not in SILENT
        self._acts.do(act)

    def _has_lost(self) -> bool:
        return any(fault.kind == "lost" for fault in self.world.faults.met)

    def _was_out(self) -> bool:
        """Whether a call of the trigger failed for so long that messages may be received too often.

        A run that cannot be started is a failed attempt, and waiting for the next one spends no receives.
        """
        outages = (fault for fault in self.world.faults.met if fault.kind == "outage" and fault.function == "trigger")
        return any(fault.seconds >= SPENDING and "Execution" not in fault.operation for fault in outages)

    def _has_spent(self) -> bool:
        """Whether a message waits in the dead-letter queue for a `redrive`, after too many receives."""
        return any("reason" not in letter.attributes for letter in self.world.letters.messages)
