"""CONTROL's desk: whatever people and the other processes say, dealt with in a session and between two.

Runs on CONTROL alone; owns no thread. Each neighbour has its own clerk: the guard, the sensors, the panel with its
loudspeaker, those who ask over the control socket, and the offload process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge.buttons import PanelBack, PanelFailed, Pressed
from edge.desk_archive import ArchiveClerk
from edge.desk_guard import GuardClerk
from edge.desk_panel import PanelClerk
from edge.desk_requests import RequestClerk
from edge.desk_schedule import ScheduleClerk
from edge.desk_sensors import SensorsClerk
from edge.desk_starts import StartClerk
from edge.desk_store import StoreClerk
from edge.desk_visits import VisitClerk
from edge.guard_link import GuardBack, GuardLost, GuardSaid
from edge.messages import Asked, OffloadTold, RoomSays, SensorsTold
from edge.prompts import PromptFailed, PromptPlayed, PromptsReady
from edge.room import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """See the module."""

    starts: StartClerk
    guard: GuardClerk
    sensors: SensorsClerk
    panel: PanelClerk
    requests: RequestClerk
    store: StoreClerk
    visits: VisitClerk
    archive: ArchiveClerk
    schedule: ScheduleClerk

    @classmethod
    def of(cls, room: Room, facts: Callable[[], dict[str, Any]], check: Callable[[], None]) -> Desk:
        """The clerks of one run; `facts` is what `status` answers of the session, `check` journals what is known."""
        starts = StartClerk(room, check)
        guard, sensors, panel = GuardClerk(room), SensorsClerk(room), PanelClerk(room, starts)
        store, visits = StoreClerk(room), VisitClerk(room)
        archive, schedule = ArchiveClerk(room, store.books), ScheduleClerk(room)

        def all_facts() -> dict[str, Any]:
            return (
                facts()
                | visits.facts()
                | archive.facts()
                | schedule.facts()
                | guard.facts()
                | sensors.facts()
                | store.facts()
            )

        requests = RequestClerk(room, panel, store, (starts, visits, archive, schedule), all_facts)
        return cls(
            starts=starts,
            guard=guard,
            sensors=sensors,
            panel=panel,
            requests=requests,
            store=store,
            visits=visits,
            archive=archive,
            schedule=schedule,
        )

    def handle(self, message: RoomSays) -> None:
        """One message. Raises StorageFault."""
        match message:
            case GuardSaid() | GuardLost() | GuardBack():
                self.guard.handle(message)
            case SensorsTold():
                self.sensors.handle(message)
            case OffloadTold():
                self.store.handle(message)
            case Asked():
                self.requests.handle(message)
            case Pressed() | PanelFailed() | PanelBack() | PromptsReady() | PromptPlayed() | PromptFailed():
                self.panel.handle(message)

    def turn(self) -> None:
        """Once in each of CONTROL's turns. Raises StorageFault."""
        self.starts.turn()
        self.sensors.turn()
        self.panel.turn()
        self.store.turn()
        self.visits.turn()
        self.archive.turn()
        self.schedule.turn()
