"""Git: pygit2 and the `git` command live here and nowhere else.

libgit2 runs no hooks, filters or signing programs, so objects and local refs go through it;
what it does badly (worktrees, merges, pushes) goes through `command.Git`, which is the one
module that makes a call of `git` safe (SECURITY D10 to D13).
"""
