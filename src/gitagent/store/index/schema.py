"""The tables of the index."""

from __future__ import annotations

VERSION = 2
"""Of these tables and of what is in them; another version is thrown away and built anew."""

TABLES = """
-- `tip`: the commit of the tasks branch; `tasks`, `runs`: the trees in there
create table meta (key text primary key, value text) without rowid;

-- what each entry of `tasks/` and of `runs/` held: `files` is path, NUL, object id, NUL ...
create table shard (
  folder text, name blob, mode integer, oid text, files blob, primary key (folder, name)
) without rowid;

-- a task as its file says; `now_*` is what it is with its landing laid over it, and `undone`
-- how many of the tasks it needs are not done by that
create table task (
  number integer primary key,
  id text not null,
  title text not null,
  status text not null,
  waiting_for text,
  priority integer not null,
  needs text,
  labels text,
  created text not null,
  source text,
  not_before text,
  rest text,
  body text not null,
  now_status text not null,
  now_waiting_for text,
  now_not_before text,
  undone integer not null default 0,
  cyclic integer not null default 0,
  running integer not null default 0,
  ready integer not null default 0
);

create table edge (task text, needed text, primary key (task, needed)) without rowid;

create table broken (path blob primary key, id text, line integer, message text) without rowid;

create table tally (status text primary key, tasks integer) without rowid;

-- a commit of a claim ref, which never changes: a claim (0), a landing (1) or neither (null)
create table claim_commit (oid text primary key, landed integer, said text, work text)
without rowid;

-- the claim refs of today; `first_seen` is in monotonic seconds of the boot `boot`
create table claim_ref (task text primary key, oid text, first_seen real, boot text)
without rowid;

-- what was found out by the slow way: an offer that is not merged, what `next` would do
create table known (kind text, key text, witness text, value text, primary key (kind, key))
without rowid;
"""

INDEXES = """
create unique index task_id on task (id);
create index task_by_status on task (now_status, priority, created, id);
create index task_ready on task (priority, created, id) where ready = 1;
create index task_source on task (source) where source is not null;
create index task_cyclic on task (cyclic) where cyclic = 1;
create index edge_needed on edge (needed, task);
create index broken_id on broken (id);
"""

INDEX_NAMES = (
    "task_id",
    "task_by_status",
    "task_ready",
    "task_source",
    "task_cyclic",
    "edge_needed",
    "broken_id",
)
