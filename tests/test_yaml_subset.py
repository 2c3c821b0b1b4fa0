"""The strict YAML: what it reads, what it refuses with file and line, what it writes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from gitagent.core.errors import BadInput
from gitagent.yaml_subset import MAX_BYTES, Value, decode, dump_value, load


@pytest.fixture(params=["libyaml", "pure"], autouse=True, scope="module")
def scanner(request: pytest.FixtureRequest, module_patch: pytest.MonkeyPatch) -> str:
    """Run every test with libyaml's scanner and with PyYAML's own."""
    if request.param == "pure":
        module_patch.setattr(yaml, "__with_libyaml__", False)
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def module_patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_libyaml_is_there_so_that_both_scanners_are_tested() -> None:
    assert hasattr(yaml, "CSafeLoader")


def read(text: str) -> Value:
    return load(text, file="f").value


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        load(text, file="f")
    assert caught.value.file == "f"
    return caught.value


def test_plain_scalars_are_what_json_would_have() -> None:
    text = "a: 1\nb: -7\nc: 1.50\nd: true\ne: null\nf: ~\ng:\nh: false\ni: 0\n"

    assert read(text) == {
        "a": 1, "b": -7, "c": 1.5, "d": True, "e": None, "f": None, "g": None, "h": False, "i": 0,
    }  # fmt: skip
    value = read(text)
    assert isinstance(value, dict)
    assert [type(each) for each in value.values()][:4] == [int, int, float, bool]


@pytest.mark.parametrize(
    "plain",
    ["no", "Yes", "on", "True", "NULL", "012", "+1", "-0", "0x1F", "0o17", "1_000", "1:30", "1e3",
     "1.", ".5", ".inf", "-.nan", "2020-13-45", "2026-11-21", "2026-11-21T04:00:00Z", "=", "01.5"],
)  # fmt: skip
def test_all_else_that_yaml_would_guess_at_is_text(plain: str) -> None:
    assert read(f"a: {plain}") == {"a": plain}


@pytest.mark.parametrize("scalar", ["1", "true", "null", "~", "1.5", ""])
def test_what_is_quoted_is_text(scalar: str) -> None:
    assert read(f"a: '{scalar}'\nb: \"{scalar}\"") == {"a": scalar, "b": scalar}


def test_block_scalars_and_multi_line_text_are_read() -> None:
    assert read("a: |\n  x\n  y\nb: >\n  x\n  y\nc: x\n  y\n") == {
        "a": "x\ny\n", "b": "x y\n", "c": "x y",
    }  # fmt: skip


def test_an_empty_text_is_no_value() -> None:
    assert read("") is None
    assert read("# only a comment\n") is None


def test_integers_hold_64_bits_and_no_more() -> None:
    assert read(f"a: {2**63 - 1}\nb: {-(2**63)}") == {"a": 2**63 - 1, "b": -(2**63)}
    for digits in (str(2**63), str(-(2**63) - 1), "9" * 5000):
        assert "beyond 64 bits" in refused(f"a: {digits}").message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: &x 1", 2, "anchor or alias"),
        ("a: 1\nb: *x", 2, "anchor or alias"),
        ("a: [1,\n &x b]", 2, "anchor or alias"),
        ("&x a: 1", 1, "anchor or alias"),
        ("a: !!str 1", 1, "tag"),
        ("a: !!python/object/apply:os.system [id]", 1, "tag"),
        ("a: ! x", 1, "tag"),
        ("a:\n  - ! [x]", 2, "tag"),
        ("!t a: 1", 1, "tag"),
        ("<<: {a: 1}\na: 2", 1, "merge key"),
        ("a: 1\nb: 2\n\na: 3", 4, "the key `a` stands here again, first in line 1"),
        ("a: {b: 1, b: 2}", 1, "the key `b` stands here again"),
        ("a: 1\n'a': 2", 2, "the key `a` stands here again"),
        ("a: 1\n---\nb: 2", 2, "only one document"),
        ("a: 1\n...\n", 2, "only one document"),
        ("a: 1\n...\n%TAG !x! y\n---\nb: 1", 2, "only one document"),
        ("%YAML 1.1\n---\na: 1", 1, "directive"),
        ("%TAG ! tag:x\n---\na: 1", 1, "directive"),
        ("1: a", 1, "key that is not text"),
        ("true: a", 1, "key that is not text"),
        ("~: a", 1, "key that is not text"),
        ("[a]: b", 1, "key that is not text"),
        ("? {a: b}\n: c", 1, "key that is not text"),
        ("'" + "k" * 300 + "': 1", 1, "more than 256 characters"),
        ("\ta: 1", 1, "tab"),
        ("a:\n  b: 1\n\tc: 2", 3, "tab"),
        ("a: b: c", 1, "not YAML"),
        ("a: 1\nb: [1, 2", 2, "not YAML"),
        ("a: 'x", 1, "not YAML"),
        ("a: @x", 1, "not YAML"),
        ("a: 1\n  b: 2", 2, "not YAML"),
        ('a: "\\ud800"', 1, ""),
        ('a: "\\UFFFFFFFF"', 1, "not YAML"),
        ("a: 1\nb: '\0'", 2, "U+0000"),
        ("a: \x1b[31m", 1, "U+001B"),
        ("a: x\u2028b: 1", 1, "U+2028"),
        ("a: x\x85b: 1", 1, "U+0085"),
        ("a: x\rb: 1", 1, "U+000D"),
        ("a: \ufeffx", 1, "U+FEFF"),
        ("a: 1\nb: \ud800", 2, "U+D800"),
    ],
)
def test_what_is_not_allowed_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    error = refused(text)

    assert error.line == line
    assert words in error.message


def test_an_error_counts_lines_of_the_file_that_the_text_is_a_part_of() -> None:
    with pytest.raises(BadInput) as caught:
        load("a: 1\n\na: 2", file="f", first_line=10)

    assert caught.value.line == 12
    assert "first in line 10" in caught.value.message


def test_32_levels_are_read_and_33_are_not() -> None:
    assert read("[" * 32 + "]" * 32)
    assert "32 levels" in refused("[" * 33 + "]" * 33).message
    assert "32 levels" in refused("- " * 33 + "x").message
    assert "32 levels" in refused("{a: " * 33 + "1" + "}" * 33).message


@pytest.mark.parametrize(
    "bomb",
    [
        "[" * 200_000,
        "[\n" * 100_000,
        "- " * 100_000,
        "? " * 100_000,
        "{a: " * 50_000,
        "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(9000)),
        "%TAG !a! x\n" * 20_000,
        "a: 1\n...\n" + "".join(f"%TAG !a{n}! x\n" for n in range(12_000)),
        "'" + "\n" * 250_000,
        "a: " + "9" * 250_000,
        "a: 0." + "9" * 250_000,
        "".join(f"{n:05}k: 1\n" for n in range(20_000)) + "00001k: 1",
        "# c\n" * 60_000 + "a: &a",
    ],
    ids=lambda bomb: ascii(bomb[:12]),
)
def test_a_bomb_costs_less_than_a_second(bomb: str, scanner: str) -> None:
    assert len(bomb) <= MAX_BYTES
    start = time.process_time()

    try:
        load(bomb, file="f")
    except BadInput as error:
        assert error.line

    assert time.process_time() - start < (1 if scanner == "libyaml" else 10)


def test_the_size_is_checked_before_parsing() -> None:
    assert "262,144" in refused("é" * (MAX_BYTES // 2 + 1)).message
    with pytest.raises(BadInput, match="at most 262,144"):
        decode(b"x" * (MAX_BYTES + 1), file="f")


def test_bytes_that_are_not_utf_8_are_refused_with_their_line() -> None:
    with pytest.raises(BadInput) as caught:
        decode(b"a\nb\n\xffc", file="f")

    assert caught.value.line == 3
    assert "0xff" in caught.value.message
    assert decode(b"\xef\xbb\xbfa", file="f") == "a"


def test_every_key_and_item_knows_its_line() -> None:
    text = "a: 1\nb:\n  - x\n  - {c: 1,\n     d: 2}\ne: |\n  z\nf: y\n"
    document = load(text, file="f", first_line=2)

    assert document.line(()) == 2
    assert document.line(("b",)) == 3
    assert document.line(("b", 0)) == 4
    assert document.line(("b", 1, "d")) == 6
    assert document.line(("f",)) == 9
    assert document.line(("b", 1, "missing")) == 5
    assert document.place(("b", 7)) is None


def test_a_place_gives_the_very_characters_of_a_value() -> None:
    text = "a: 'é' # c\nb: [1, 2]\r\nc:\nd:\n  - x\n  - y\n"
    document = load(text, file="f")

    def words(key: str) -> tuple[str, str]:
        place = document.place((key,))
        assert place is not None
        return text[place.key_start : place.key_end], text[place.start : place.end]

    assert words("a") == ("a", "'é'")
    assert words("b") == ("b", "[1, 2]")
    assert words("c") == ("c", "")
    assert words("d") == ("d", "- x\n  - y")


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.from_regex(r"[-+.\dnoyesNul~:#, \[\]{}'\"&*!|>%@`?]{1,12}", fullmatch=True)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXT.filter(lambda key: len(key) <= 256), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
@example("x" * 5000)
@example(["x" * 5000])
@example({"k" * 256: [{"": None}]})
@example("\ufeff\u2028\x85\r\n\t\0 ")
@example("--- a")
@example("😀: #")
@example("a #b")
@example("a: b")
@example("a:")
@example("a ")
@example(["a, b", "a]", "a}", "a: b", "a #b", "a?", "a "])
def test_what_is_written_reads_back_the_same(value: Value) -> None:
    written = dump_value(value)

    assert "\n" not in written
    back = read(f"key: {written}\nnext: 1\n")
    assert back == {"key": value, "next": 1}
    assert repr(back["key"]) == repr(value) or isinstance(value, (list, dict, float))


@given(TEXT)
def test_other_readers_of_yaml_see_text_where_text_was_written(text: str) -> None:
    loaded = yaml.safe_load(f"key: {dump_value(text)}\nlist: {dump_value([text])}\n")

    assert loaded == {"key": text, "list": [text]}


def test_usual_text_is_written_without_quotes() -> None:
    for usual in ("Fix the pager's off-by-one (see x#3, or a:b)", "Fix it, then test [it]"):
        assert dump_value(usual) == usual
    assert dump_value("Fix #3: it fails") == '"Fix #3: it fails"'
    assert dump_value(["pytest -q", "a, b", "12345"]) == '[pytest -q, "a, b", "12345"]'


def test_text_that_utf_8_cannot_hold_is_refused() -> None:
    with pytest.raises(BadInput, match="not UTF-8"):
        dump_value({"a": ["\udcff"]})


@given(st.binary(max_size=300) | TEXT.map(str.encode))
def test_nothing_but_bad_input_comes_out_of_random_bytes(data: bytes) -> None:
    try:
        load(decode(data, file="f"), file="f")
    except BadInput as error:
        assert error.line
        assert str(error).isprintable()


INGREDIENTS = [
    *(
        "a",
        ": ",
        "- ",
        "\n",
        "  ",
        "\t",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&x ",
        "*x",
        "!t ",
        "|",
        ">",
        "'",
    ),
    *('"', "#", "? ", "---\n", "...\n", "%TAG", "\\x", "0", "9" * 30, "é", "\r\n", "<<", "~"),
]


@given(st.lists(st.sampled_from(INGREDIENTS), max_size=60).map("".join))
def test_nothing_but_bad_input_comes_out_of_what_looks_like_yaml(text: str) -> None:
    try:
        document = load(text, file="f")
    except BadInput as error:
        assert error.line
        assert 1 <= error.line <= text.count("\n") + 1
        assert str(error).isprintable()
    else:
        if isinstance(document.value, dict):
            assert all(document.place((key,)) for key in document.value)
