import random

from kfw.http.bounds import MemoryBudget


def test_what_would_be_too_much_together_is_refused_and_one_alone_is_not() -> None:
    budget = MemoryBudget(100)
    assert budget.hold("a", 500)
    assert not budget.hold("b", 1)
    assert budget.hold("b", 0)
    budget.release("a")
    assert budget.hold("b", 60)
    assert not budget.hold("a", 41)
    assert budget.hold("a", 40)


def test_who_holds_more_than_before_is_counted_once() -> None:
    budget = MemoryBudget(100)
    assert all(budget.hold("a", size) for size in (10, 50, 90))
    assert budget.hold("b", 10)
    assert not budget.hold("c", 1)


def test_after_any_course_of_events_all_is_free_again() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    budget = MemoryBudget(1000)
    for _ in range(2000):
        owner = chance.randrange(20)
        if chance.random() < 0.3:
            budget.release(owner)
        else:
            budget.hold(owner, chance.randrange(400))
    for owner in range(20):
        budget.release(owner)
    assert budget.hold("a", 1), seed
    assert budget.hold("b", 999), seed
    assert not budget.hold("c", 1), seed
