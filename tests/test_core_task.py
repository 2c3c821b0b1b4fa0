"""Ids, and the acceptance criteria in the body of a task."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitagent.core.ids import ALPHABET, base32, is_run_id, is_task_id, task_id, ulid
from gitagent.core.task import Criterion, Task, acceptance

HEAD = "## Acceptance criteria\n\n"
entropy = st.binary(min_size=16, max_size=16)
milliseconds = st.integers(0, 2**48 - 1)


def spelling(text: str) -> bytes:
    """Return 16 bytes of entropy whose id starts with `text`."""
    digits = [ALPHABET.index(each) for each in text.ljust(25, "0")]
    return sum(digit << 5 * place for place, digit in enumerate(reversed(digits))).to_bytes(16)


@given(entropy)
@example(bytes(16))
@example(b"\xff" * 16)
@example(spelling("tasks"))
def test_any_entropy_spells_a_valid_id(drawn: bytes) -> None:
    assert is_task_id(task_id(drawn, ()))


@given(entropy, st.integers(0, 20))
def test_an_id_is_as_long_as_it_must_be_to_be_free(drawn: bytes, collisions: int) -> None:
    spelled = base32(int.from_bytes(drawn), 25)
    taken = {spelled[:length] for length in range(5, 5 + collisions)}

    found = task_id(drawn, taken)

    assert is_task_id(found)
    assert found not in taken
    assert spelled.startswith(found)
    assert len(found) - 5 in (collisions, collisions + 1)  # one more only past `tasks`


def test_no_task_is_called_like_the_queues_own_branch() -> None:
    assert task_id(spelling("tasks"), ()) == "tasks0"
    assert not is_task_id("tasks")


def test_entropy_that_collides_at_every_length_is_an_error() -> None:
    taken = {"0" * length for length in range(5, 26)}

    with pytest.raises(ValueError, match="no free task id"):
        task_id(bytes(16), taken)


@pytest.mark.parametrize(
    "text", ["", "abcd", "ABCDE", "abcdi", "abcdl", "abcdo", "abcdu", "abcde\n", "../..", "a" * 27]
)
def test_what_is_no_task_id(text: str) -> None:
    assert not is_task_id(text)


@given(milliseconds, milliseconds, *[st.binary(min_size=10, max_size=10)] * 2)
def test_run_ids_sort_by_their_time(first: int, second: int, one: bytes, other: bytes) -> None:
    earlier, later = ulid(first, one), ulid(second, other)

    assert is_run_id(earlier)
    assert is_run_id(later)
    if first != second:
        assert (earlier < later) == (first < second)


@given(milliseconds, *[st.binary(min_size=10, max_size=10)] * 2)
def test_run_ids_of_one_millisecond_differ_with_their_entropy(
    now: int, one: bytes, other: bytes
) -> None:
    assert (ulid(now, one) == ulid(now, other)) == (one == other)


def test_a_known_ulid_is_spelled_as_its_specification_does() -> None:
    # The example of https://github.com/ulid/spec: 1469918176385 ms is 01ARYZ6S41.
    assert ulid(1469918176385, bytes(10)) == "01aryz6s41" + "0" * 16


@pytest.mark.parametrize("text", ["", "8" + "0" * 25, "0" * 25, "0" * 27, "0" * 25 + "u"])
def test_what_is_no_run_id(text: str) -> None:
    assert not is_run_id(text)


def test_the_acceptance_criteria_are_the_list_under_their_heading() -> None:
    body = """Fix it.

- [ ] not a criterion

## Acceptance criteria

They are:
- [ ] `make` passes
* [x] it is documented
+ no box
1. numbered
2) [X] numbered and done

## Notes

- not a criterion either
"""

    assert Task("aaaaa", "x", body=body).acceptance == (
        Criterion("`make` passes", done=False),
        Criterion("it is documented", done=True),
        Criterion("no box", done=False),
        Criterion("numbered", done=False),
        Criterion("numbered and done", done=True),
    )


@pytest.mark.parametrize(
    "heading",
    [
        "# Acceptance criteria",
        "## acceptance CRITERIA",
        "### Acceptance criteria ###",
        "##\tAcceptance criteria ",
    ],
)
def test_the_heading_may_be_of_any_level_and_case(heading: str) -> None:
    assert acceptance(f"{heading}\n- works") == (Criterion("works", done=False),)


@pytest.mark.parametrize("heading", ["Acceptance criteria", "#Acceptance criteria", "## Criteria"])
def test_other_lines_are_not_the_heading(heading: str) -> None:
    assert acceptance(f"{heading}\n- works") == ()


@pytest.mark.parametrize(
    "fenced",
    [
        "```\n- code\n```",
        "~~~ markdown\n- code\n~~~",
        "  ```sh\n- code\n  ```",
        "```\n## Notes\n```",
        "```\n~~~\n- code\n```",
        "````\n```\n- code\n````",
        "```\n- code\n``` not the end\n- code\n```",
        "```\n- code\n`````",
    ],
)
def test_fenced_code_is_neither_heading_nor_criterion(fenced: str) -> None:
    body = f"{HEAD}- one\n{fenced}\n- two\n"

    assert [each.text for each in acceptance(body)] == ["one", "two"]


def test_a_heading_inside_fenced_code_opens_nothing() -> None:
    assert acceptance(f"```\n{HEAD}```\n- no criterion") == ()


def test_code_that_is_never_closed_runs_to_the_end() -> None:
    assert acceptance(f"{HEAD}- one\n```\n- two") == (Criterion("one", done=False),)


def test_backticks_within_a_line_open_no_code() -> None:
    assert [each.text for each in acceptance(f"{HEAD}```x``` is code\n- one")] == ["one"]


def test_an_empty_item_is_no_criterion() -> None:
    assert acceptance(f"{HEAD}-   \n- \n-") == ()


@given(st.text(st.sampled_from("#-*1.`~[xX] \n\tcaé"), max_size=60))
def test_any_body_gives_criteria_with_a_text_on_one_line(body: str) -> None:
    for each in acceptance(HEAD + body):
        assert each.text
        assert each.text == each.text.strip()
        assert "\n" not in each.text


@pytest.mark.parametrize(
    "line", ["# " + "#" * 50_000 + "x", "#" + " \t" * 50_000 + "x", "- " + " " * 50_000]
)
def test_a_long_line_made_to_be_slow_is_read_at_once(line: str) -> None:
    started = time.perf_counter()

    acceptance(HEAD + line)

    assert time.perf_counter() - started < 1
