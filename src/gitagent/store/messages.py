"""Messages: one file each in a task's inbox, written once."""

from __future__ import annotations

import json

from gitagent.core.message import Message, MessageKind
from gitagent.store import layout
from gitagent.store.branch import Edit, View


def write(edit: Edit, message: Message) -> None:
    """Put a message into the inbox of its task, within a commit that is being made."""
    path = layout.message_path(message.task, message.id)
    edit.write(path, layout.json_bytes(message.as_json()))


def inbox(view: View, task: str) -> tuple[Message, ...]:
    """Return the messages of a task, oldest first; ULIDs sort by time."""
    files = view.files(layout.inbox_folder(task))
    found = [_parse(data) for path, data in files if path.endswith(".json")]
    return tuple(sorted(found, key=lambda message: message.id))


def _parse(data: bytes) -> Message:
    value = json.loads(data)
    return Message(
        id=value["id"],
        task=value["task"],
        sender=value["from"],
        kind=MessageKind(value["kind"]),
        text=value["text"],
        at=value["at"],
        reply_to=value["reply_to"],
    )
