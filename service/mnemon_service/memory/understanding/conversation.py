"""What there is to understand: the new messages and all that helps to read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mnemon_service.model.memory import Memory, Role
from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope

DEFAULT_CATEGORIES: Mapping[str, str] = {
    "personal_details": "who someone is: name, age, origin, languages, contact, identity",
    "family": "relatives, partners, children and what concerns them",
    "friends": "friends, acquaintances, pets and social life",
    "professional_details": "job, employer, career, skills, business",
    "education": "school, studies, courses, degrees",
    "health": "illness, treatment, allergies, fitness, wellbeing, sleep",
    "food": "diets, dishes, restaurants, cooking, likes and dislikes of food and drink",
    "travel": "trips, places visited or planned, transport",
    "home": "where and how someone lives, moves, household",
    "hobbies": "sports, crafts, games and other pastimes",
    "entertainment": "films, music, books, shows, events",
    "shopping": "things bought, owned or wanted, prices, brands, sizes",
    "finance": "income, spending, debts, investments",
    "technology": "devices, software, accounts, technical preferences",
    "goals": "plans, intentions, milestones, commitments",
    "preferences": "how someone wants to be treated, spoken to or served; settings",
    "dates": "birthdays, anniversaries, appointments, deadlines",
    "opinions": "views, values, beliefs",
}
"""Used where a project has no list of its own."""


@dataclass(frozen=True, slots=True)
class Instructions:
    """Custom instructions of three levels, each empty if not given."""

    project: str = ""
    agent: str = ""
    request: str = ""

    @property
    def effective(self) -> str:
        """The most specific one that is given, alone: the request's, else the agent's, else the project's.

        They replace one another and are not joined: a model that reads two texts which contradict
        each other follows now one and now the other.
        """
        return (self.request or self.agent or self.project).strip()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Input of `understand`."""

    messages: tuple[Message, ...]
    """The new messages, in order, with ids. System messages and recalled ones are read but no fact
    is taken from them."""
    scope: Scope = Scope()
    """Under which the facts will be stored."""
    context: tuple[Message, ...] = ()
    """The last messages of the scope before the new ones, oldest first."""
    neighbours: tuple[Memory, ...] = ()
    """Existing memories near to the new messages; the model sees them under the numbers 1 to n."""
    instructions: Instructions = field(default_factory=Instructions)
    categories: Mapping[str, str] = field(default_factory=lambda: DEFAULT_CATEGORIES)
    """Descriptions by name; empty for no categories at all."""
    includes: str = ""
    """What alone is to be remembered, in words; empty for everything."""
    excludes: str = ""
    """What is never to be remembered, in words."""
    reference_time: datetime | None = None
    """When messages without a time of their own were said; None if nobody knows."""

    def observed(self, message: Message) -> datetime | None:
        """When a message was said."""
        return message.observed_time or self.reference_time


def is_evidence(message: Message) -> bool:
    """Whether facts may be taken from a message."""
    if message.role is Role.SYSTEM or message.recalled:
        return False
    return bool(message.content.strip() or message.images)
