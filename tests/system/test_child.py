from kfw.system.child import MAX_LINE, Lines


def lines_of(*chunks: bytes) -> list[str]:
    lines = Lines()
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.flush()


def test_lines_are_cut_at_newlines_wherever_the_chunks_end():
    assert lines_of(b"one\ntw", b"o\n\nthr", b"ee") == ["one", "two", "", "three"]


def test_a_line_is_not_given_out_before_its_end():
    lines = Lines()
    assert lines.feed(b"half") == []
    assert lines.feed(b" and half\n") == ["half and half"]
    assert lines.flush() == []


def test_a_line_longer_than_64_KiB_comes_in_pieces_and_nothing_is_lost():
    text = b"x" * (3 * MAX_LINE + 7)
    for chunks in (
        [text + b"\nnext\n"],
        [text, b"\nnext\n"],
        [text[:MAX_LINE], text[MAX_LINE:], b"\nnext\n"],
    ):
        got = lines_of(*chunks)
        assert "".join(got[:-1]) == text.decode()
        assert max(map(len, got)) == MAX_LINE
        assert got[-1] == "next"


def test_ten_megabytes_without_a_newline_are_not_kept():
    lines = Lines()
    for _ in range(160):
        lines.feed(b"y" * 65536)
        assert len(lines._rest) <= MAX_LINE


def test_bytes_that_are_not_UTF_8_survive_as_replacement_characters():
    assert lines_of(b"caf\xc3\xa9 \xff\xfe end\n") == ["café �� end"]


def test_colours_cursor_moves_titles_and_carriage_returns_are_left_out():
    assert lines_of(b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07text\x1b(B\r\n") == ["red text"]
    assert lines_of(b"tab\tstays\x00\x07\n") == ["tab\tstays"]
