"""A token logs one browser in, once, for a while; a cookie is good only on the path that it came with."""

from itertools import count

import pytest

from kfw.web.logins import MOST, TOKEN_LIFE, Logins


class Now:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def logins(now: Now) -> Logins:
    numbers = count(1)
    return Logins(now, lambda: f"drawn-{next(numbers)}")


def test_a_token_logs_in_once(logins: Logins) -> None:
    token = logins.token()
    login = logins.exchange(token)
    assert login
    assert logins.admits(login.place, login.cookie)
    assert logins.exchange(token) is None


def test_a_token_is_good_for_its_time_and_not_for_longer(logins: Logins, now: Now) -> None:
    early, late = logins.token(), logins.token()
    now.seconds += TOKEN_LIFE
    assert logins.exchange(early)
    now.seconds += 0.1
    assert logins.exchange(late) is None


@pytest.mark.parametrize("wrong", ["", "x", "drawn-1 ", "\ud800", "drawn-1\0", "DRAWN-1"])
def test_what_was_never_drawn_logs_nobody_in(logins: Logins, wrong: str) -> None:
    logins.token()
    assert logins.exchange(wrong) is None
    assert not logins.admits("", wrong)


def test_a_cookie_is_good_on_its_own_path_only(logins: Logins) -> None:
    one, two = (logins.exchange(logins.token()) for _ in range(2))
    assert one
    assert two
    assert not logins.admits(one.place, two.cookie)
    assert not logins.admits(two.place, one.cookie)
    assert not logins.admits(one.place, "")


def test_what_is_drawn_cannot_be_guessed_and_differs_each_time() -> None:
    logins = Logins()
    drawn = {logins.token() for _ in range(MOST)}
    login = logins.exchange(drawn.pop())
    assert login
    assert len({*drawn, login.place, login.cookie}) == MOST + 1
    assert min(map(len, drawn)) >= 32  # 192 bits in six each


def test_the_oldest_go_so_that_nobody_fills_the_memory(logins: Logins) -> None:
    first = logins.exchange(logins.token())
    tokens = [logins.token() for _ in range(MOST + 1)]
    assert first
    assert logins.exchange(tokens[0]) is None
    assert all(logins.exchange(token) for token in tokens[1:])
    assert not logins.admits(first.place, first.cookie)


def test_another_process_remembers_who_is_logged_in_and_how_long_a_token_has(
    logins: Logins, now: Now
) -> None:
    used, left = logins.token(), logins.token()
    login = logins.exchange(used)
    assert login
    now.seconds += TOKEN_LIFE - 1
    there = Now()
    there.seconds = 5.0  # its clock has another beginning
    after = Logins(there)
    after.remember(*logins.memory())
    assert after.admits(login.place, login.cookie)
    assert not after.admits(login.place, "another")
    assert after.exchange(used) is None
    there.seconds += 2
    assert after.exchange(left) is None
    after.remember(*logins.memory())
    assert after.exchange(left)
    assert login.cookie not in repr(logins.memory())
