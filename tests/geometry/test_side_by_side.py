from __future__ import annotations

import threading

import pytest
import torch

from facegeom_lit.geometry.side_by_side import SideBySide


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def add(part: list[tuple[int, int, int, bool]], first: int, second: int) -> None:
    part.append((first, second, torch.get_num_threads(), torch.is_grad_enabled()))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_part_does_its_own_tasks_in_order(number) -> None:
    torch.set_num_threads(number)
    parts: list[list] = [[] for _ in range(number)]
    tasks = [(i, 2 * i) for i in range(10)]
    with SideBySide(torch.device("cpu")) as workers:
        assert workers.number == number
        workers.do(parts, tasks[:4], add)
        workers.do(parts, [], add)
        workers.do(parts, tasks[4:], add)
    for index, part in enumerate(parts):
        assert [entry[:2] for entry in part] == tasks[:4][index::number] + tasks[4:][index::number]
        assert {entry[2] for entry in part} == {1}
        assert not any(entry[3] for entry in part)
    assert torch.get_num_threads() == number


def test_an_error_stops_the_others_and_is_raised() -> None:
    torch.set_num_threads(2)
    done: list[list] = [[], []]

    def work(part: list, first: int, second: int) -> None:
        if first == 1:
            raise ValueError("broken")
        part.append(first)
        threading.Event().wait(0.002)

    workers = SideBySide(torch.device("cpu"))
    with pytest.raises(ValueError, match="broken"), workers:
        workers.do(done, [(i, i) for i in range(2000)], work)
    assert sum(map(len, done)) < 1000
    assert torch.get_num_threads() == 2


def test_workers_by_threads() -> None:
    for threads, expected in ((1, 1), (2, 2), (16, 4)):
        torch.set_num_threads(threads)
        with SideBySide(torch.device("cpu")) as workers:
            assert workers.number == expected
            assert torch.get_num_threads() == threads // expected
        assert torch.get_num_threads() == threads
    assert SideBySide(torch.device("cuda")).number == 1
