from kfw.model import Health, Reason, Retry
from kfw.supervisor.delays import delay, exhausted, next_check

SEED = Retry(initial_delay=5, max_delay=60, multiplier=2)


def delays(retry: Retry, reason: Reason, count: int) -> list[float]:
    return [delay(n, retry, reason) for n in range(1, count + 1)]


def test_A7_a_child_that_exits_at_once_is_restarted_twice_at_once_then_after_5_10_20_40_60() -> None:
    assert delays(SEED, Reason.CHILD_EXITED, 9) == [0, 0, 5, 10, 20, 40, 60, 60, 60]


def test_A32_attempts_for_a_target_without_pods_come_after_1_2_4_8_16_seconds() -> None:
    assert delays(Retry(), Reason.NO_READY_POD, 7) == [1, 2, 4, 8, 16, 30, 30]


def test_the_configured_multiplier_and_cap_hold() -> None:
    retry = Retry(initial_delay=0.2, max_delay=1, multiplier=3)
    assert [round(d, 3) for d in delays(retry, Reason.UNHEALTHY, 4)] == [0.2, 0.6, 1, 1]


def test_a_million_failures_do_not_overflow() -> None:
    assert delay(1_000_000, Retry(), Reason.UNHEALTHY) == 30


def test_attempts_end_after_max_attempts_and_never_when_it_is_0() -> None:
    assert [exhausted(n, Retry(max_attempts=3)) for n in (1, 3, 4)] == [False, False, True]
    assert not exhausted(10_000, Retry(max_attempts=0))


def test_health_checks_are_rare_while_all_is_well_and_frequent_while_one_failed() -> None:
    health = Health(interval=15)
    assert [next_check(health, good, failing=False) for good in (0, 1, 100)] == [15, 60, 60]
    assert next_check(health, 1, failing=True) == 2
    assert next_check(Health(interval=0.5), 0, failing=True) == 0.5


def test_an_app_that_refuses_is_asked_again_soon_and_sooner_while_clients_wait() -> None:
    def pauses(*, awaited: bool) -> list[float]:
        return [delay(n, Retry(), Reason.APP_REFUSES, awaited=awaited) for n in range(1, 8)]

    assert pauses(awaited=False) == [0.25, 0.5, 1, 2, 4, 5, 5]
    assert pauses(awaited=True) == [0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert delay(1_000_000, Retry(max_delay=0.1), Reason.APP_REFUSES) == 0.1


def test_that_clients_wait_hastens_nothing_else() -> None:
    for reason in set(Reason) - {Reason.APP_REFUSES}:
        assert delay(4, Retry(), reason, awaited=True) == delay(4, Retry(), reason), reason
