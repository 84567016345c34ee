"""What is a failure, and that a failure is kept."""

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.bad_targets import breaks_on_command
from tests.fuzz.harness import fuzz, input_of, problem_of
from tests.fuzz.mutations import mutated

BROKEN = {
    b"exception": "KeyError",
    b"two lines": "more than one line",
    b"crash": "crashed",
    b"memory": "Cannot allocate memory",
    b"memory taken for a refusal": "more memory than allowed",
    b"hang": "hung",
}


def one_of_all(random: Random, intact: bytes) -> bytes:
    return random.choice([intact, b"refused", *BROKEN])


@pytest.mark.slow
def test_every_way_to_break_is_a_failure_and_its_input_is_kept(tmp_path: Path) -> None:
    seeds = range(20)
    inputs = {seed: input_of(seed, [b"fine"], one_of_all) for seed in seeds}
    assert set(inputs.values()) == {b"fine", b"refused", *BROKEN}

    failures = fuzz(breaks_on_command, [b"fine"], one_of_all, seeds, tmp_path, most_seconds=0.5)

    assert [failure.seed for failure in failures] == [
        seed for seed in seeds if inputs[seed] in BROKEN
    ]
    for failure in failures:
        assert BROKEN[inputs[failure.seed]] in failure.problem
        assert failure.path.read_bytes() == inputs[failure.seed]


def test_an_input_can_be_tried_alone() -> None:
    assert problem_of(breaks_on_command, [b"fine"], b"fine") is None
    assert "KeyError" in str(problem_of(breaks_on_command, [b"fine"], b"exception"))


def test_a_target_that_refuses_an_intact_input_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="does not accept an intact input"):
        fuzz(breaks_on_command, [b"refused"], mutated, range(1), tmp_path)


def test_mutations_depend_on_the_seed_alone_and_change_something() -> None:
    intact = bytes(range(256)) * 8

    made = [input_of(seed, [intact], mutated) for seed in range(300)]

    assert made == [input_of(seed, [intact], mutated) for seed in range(300)]
    assert sum(data != intact for data in made) > 290
