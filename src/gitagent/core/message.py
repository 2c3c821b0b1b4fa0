"""A message of a task's inbox: from a person or a task, to whoever works on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MESSAGE_VERSION = 1


class MessageKind(StrEnum):
    """What a message wants."""

    DIRECTIVE = "directive"
    QUESTION = "question"
    ANSWER = "answer"
    NOTE = "note"
    STOP = "stop"
    REJECTION = "rejection"


@dataclass(frozen=True, slots=True)
class Message:
    """One message, written once (DESIGN section 4).

    `id` is a ULID, `sender` a person's `Name <email>`, a task id or `gitagent`; in the file
    it is called `from`. `at` is RFC 3339 in UTC.
    """

    id: str
    task: str
    sender: str
    kind: MessageKind
    text: str
    at: str
    reply_to: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the object that the file holds."""
        return {
            "v": MESSAGE_VERSION,
            "id": self.id,
            "task": self.task,
            "from": self.sender,
            "kind": self.kind.value,
            "text": self.text,
            "at": self.at,
            "reply_to": self.reply_to,
        }
