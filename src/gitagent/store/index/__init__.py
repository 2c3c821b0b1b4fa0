"""The index: how a reader gets the queue without parsing it anew."""

from gitagent.store.index.reader import Index
from gitagent.store.index.snapshot import Snapshot

__all__ = ["Index", "Snapshot"]
