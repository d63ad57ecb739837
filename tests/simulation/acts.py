"""What people do: each method is the kind of an Act."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.simulation.history import FORGED, Act, folder, recipes
from tests.simulation.scheduler import EPOCH
from tests.simulation.world import BACKFILL

if TYPE_CHECKING:
    from tests.simulation.s3 import Version
    from tests.simulation.world import World

# Acts that no message tells the trigger of: somebody must ask later.
SILENT = {"recipe", "address", "memory", "deface", "edit", "undelete silently", "erase silently"}

TOO_SOON = 20.0  # seconds after which a lifecycle rule may remove what was just made


class Acts:
    def __init__(self, world: World) -> None:
        self._world = world

    def schedule(self, act: Act) -> None:
        self._world.scheduler.at(EPOCH + act.at, lambda: self.do(act))

    def do(self, act: Act) -> None:
        self._world.log(f"--- {str(act).partition(' s ')[2].strip()}")
        if not act.kind.startswith("erase"):
            self._world.kept.discard(act.key)
        getattr(self, act.kind.replace(" ", "_"))(act)

    def put(self, act: Act) -> None:
        """Upload "good 1", or "good 1 at 0.3,0.7": with this focus."""
        self._world.forced.pop(act.key, None)  # that wish was about what this upload replaces
        body, _, focus = act.what.partition(" at ")
        self._world.source.put(act.key, body.encode(), _metadata(focus))

    def give(self, act: Act) -> None:
        """Copy the object onto itself with this focus, or without any."""
        if self._world.source.newest(act.key):
            self._world.forced.pop(act.key, None)
            self._world.source.give(act.key, _metadata(act.what))

    def delete(self, act: Act) -> None:
        self._world.source.delete(act.key)

    def expire(self, act: Act) -> None:
        """A lifecycle rule deletes the object: S3 sends no event of that kind to the queue."""
        world = self._world
        if world.source.newest(act.key):
            world.source.delete(act.key, expired=True)
            manifest = world.output.newest(f"{folder(act.key)}manifest.json")
            # A rule waits for days: one that acted at once would look like the removal of a version above a marker.
            if manifest and manifest.moment < world.scheduler.now - TOO_SOON and world.is_quiet():
                world.kept.add(act.key)

    def undelete(self, act: Act) -> None:
        self._undelete(act, silent=False)

    def undelete_silently(self, act: Act) -> None:
        self._undelete(act, silent=True)

    def _undelete(self, act: Act, *, silent: bool) -> None:
        """Remove the delete marker on top."""
        versions = self._versions(act.key)
        if versions and versions[0].body is None:
            self._world.source.erase(act.key, versions[0].id, silent=silent)

    def erase(self, act: Act) -> None:
        self._erase(act, silent=False)

    def erase_silently(self, act: Act) -> None:
        self._erase(act, silent=True)

    def _erase(self, act: Act, *, silent: bool) -> None:
        """Delete a version for good: the "newest", the one "beneath" it, or the "oldest"."""
        bodies = [version for version in self._versions(act.key) if version.body is not None]
        index = {"newest": 0, "beneath": 1, "oldest": len(bodies) - 1}[act.what]
        if 0 <= index < len(bodies):
            self._world.source.erase(act.key, bodies[index].id, silent=silent)

    def suspend(self, act: Act) -> None:
        if self._world.source.versioning:
            self._world.source.versioning = "Suspended"

    def enable(self, act: Act) -> None:
        """Switch versioning on, or on again."""
        self._world.source.versioning = "Enabled"

    def recipe(self, act: Act) -> None:
        """Deploy another recipe: to the trigger first, to the others `seconds` later; if negative, to it last."""
        world = self._world
        world.recipe = act.what

        def deploy(functions: list[str]) -> None:  # what is newest, even if another deployment was quicker
            world.recipes |= dict.fromkeys(functions, recipes(world.recipe))
            world.log(f"deployed {world.recipe} to {', '.join(functions)}")

        parts = [["trigger"], [function for function in world.recipes if function != "trigger"]]
        first, second = parts if act.seconds >= 0 else parts[::-1]
        deploy(first)
        world.scheduler.after(abs(act.seconds), lambda: deploy(second))

    def address(self, act: Act) -> None:
        """Deploy another PublicBaseUrl."""
        self._world.deploy_address(act.what)

    def memory(self, act: Act) -> None:
        """Deploy another MemorySize."""
        self._world.deploy_memory(int(act.what))

    def forget(self, act: Act) -> None:
        """The records of jobs that have ended expire."""
        self._world.forget()

    def pause(self, act: Act) -> None:
        for event_source in self._world.event_sources:
            event_source.paused = True

    def resume(self, act: Act) -> None:
        for event_source in self._world.event_sources:
            event_source.resume()

    def ask(self, act: Act) -> None:
        """`darkroom redrive KEY`."""
        newest = self._world.source.newest(act.key)
        if newest:
            version_id = None if newest.id == "null" else newest.id
            self._world.send("ObjectCreated:Redrive", act.key, version_id, source="darkroom")
        else:
            self._world.send("ObjectRemoved:Redrive", act.key, None, source="darkroom")

    def backfill(self, act: Act) -> None:
        """A backfill lists the source and, a little later, asks for it: it knows of no version."""
        if self._world.source.newest(act.key):
            self._world.scheduler.after(
                act.seconds, lambda: self._world.send(BACKFILL, act.key, None, source="darkroom")
            )

    def force(self, act: Act) -> None:
        """`darkroom redrive KEY --force`."""
        newest = self._world.source.newest(act.key)
        if newest:
            version_id = None if newest.id == "null" else newest.id
            self._world.forced[act.key] = self._world.scheduler.now
            self._world.send("ObjectCreated:Force", act.key, version_id, source="darkroom")

    def redrive(self, act: Act) -> None:
        """`bin/darkroom redrive`: send the dead letters again."""
        letters, self._world.letters.messages = self._world.letters.messages, []
        for letter in letters:
            self._world.uploads.send(letter.body)

    def move(self, act: Act) -> None:
        """SQS's own redrive: move the dead letters back, as old as they are."""
        letters, self._world.letters.messages = self._world.letters.messages, []
        for letter in letters:
            self._world.uploads.take(letter)

    def restart(self, act: Act) -> None:
        """The console's "Redrive" of the newest execution that did not succeed: it goes on where it was."""
        if self._world.history.express:
            return
        over = {"FAILED", "TIMED_OUT", "ABORTED"}
        found = [each for each in self._world.stepfunctions.executions if each.status in over]
        if found:
            found[-1].run()

    def deface(self, act: Act) -> None:
        """Remove an output by hand: "manifest.json", "small.jpg", …"""
        self._world.output.delete(f"{folder(act.key)}{act.what}")

    def edit(self, act: Act) -> None:
        """Edit the manifest: "half" or "nothing" of it, "list", "other etag", "other key", "no files"."""
        name = f"{folder(act.key)}manifest.json"
        standing = self._world.output.newest(name)
        if standing and standing.body:
            self._world.output.put(name, _edited(standing.body, act.what))

    def _versions(self, key: str) -> list[Version]:
        return self._world.source.objects.get(key, [])


def _metadata(focus: str) -> dict[str, str]:
    return {"focus": focus} if focus else {}


def _edited(body: bytes, how: str) -> bytes:
    if how == "half":
        return body[: len(body) // 2]
    if how == "nothing":
        return b""
    if how == "list":
        return b"[1, 2]"
    try:
        document = json.loads(body)
        if how == "other etag":
            document["source"]["etag"] = FORGED
        elif how == "other key":
            document = json.loads(json.dumps(document).replace("a.jpg", "z.jpg"))
        else:
            document["renditions"] = []
    except (ValueError, TypeError, KeyError):
        return b"{}"
    return json.dumps(document).encode()
