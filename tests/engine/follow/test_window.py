"""Windows hold what they must, lie on the network's grid, and never leave the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.follow.window import Grid, Region, Size, Window, around
from engine.inference import CutSides

lengths = st.integers(64, 2000)
grids = st.builds(
    Grid, lengths, lengths, st.sampled_from([8, 16, 32]), st.integers(1, 4), st.integers(1, 8)
)
numbers = st.floats(-300, 2300)


@st.composite
def regions(draw: st.DrawFn) -> Region:
    left, right = sorted((draw(numbers), draw(numbers)))
    top, bottom = sorted((draw(numbers), draw(numbers)))
    return Region(left, top, right, bottom)


sizes = st.lists(st.tuples(lengths, lengths), max_size=8)


def sizes_on(grid: Grid, sizes: list[Size]) -> list[Size]:
    """Give sizes that windows of the grid can have had."""
    width_rest, height_rest = grid.width % grid.stride_px, grid.height % grid.stride_px
    return [
        (
            min(grid.width, width - width % grid.stride_px + width_rest),
            min(grid.height, height - height % grid.stride_px + height_rest),
        )
        for width, height in sizes
    ]


@given(grid=grids, region=regions(), ready=sizes)
def test_a_window_holds_what_is_inside_the_picture_and_is_inside_itself(
    grid: Grid, region: Region, ready: list[Size]
) -> None:
    window = grid.window(region, sizes_on(grid, ready))

    if window is None:
        return
    inside = region.within(grid.width, grid.height)
    assert 0 <= window.left <= inside.left
    assert 0 <= window.top <= inside.top
    assert inside.right <= window.left + window.width - 1 <= grid.width - 1
    assert inside.bottom <= window.top + window.height - 1 <= grid.height - 1


@given(grid=grids, region=regions(), ready=sizes)
def test_the_network_finds_the_same_cells_in_a_window_as_in_the_picture(
    grid: Grid, region: Region, ready: list[Size]
) -> None:
    window = grid.window(region, sizes_on(grid, ready))

    if window is None:
        return
    assert window.left % grid.stride_px == window.top % grid.stride_px == 0
    assert (grid.width - window.width) % grid.stride_px == 0
    assert (grid.height - window.height) % grid.stride_px == 0


@given(grid=grids, region=regions())
def test_a_window_is_little_larger_than_what_it_must_hold(grid: Grid, region: Region) -> None:
    window = grid.window(region, [])

    inside = region.within(grid.width, grid.height)
    if window is not None and window.width < grid.width:
        most_px = (grid.side_step + 2) * grid.stride_px
        assert window.width <= inside.right - inside.left + most_px


@given(grid=grids, region=regions())
def test_a_window_inside_the_picture_is_as_far_beyond_one_end_as_beyond_the_other(
    grid: Grid, region: Region
) -> None:
    window = grid.window(region, [])

    if window is None or window.left == 0 or window.left + window.width == grid.width:
        return
    before, behind = region.left - window.left, window.left + window.width - 1 - region.right
    assert abs(before - behind) <= 2 * grid.stride_px + 1


@given(grid=grids, region=regions(), at_end=st.booleans())
def test_a_tight_window_holds_its_region_too_and_is_near_it_on_one_side(
    grid: Grid, region: Region, at_end: bool
) -> None:
    placed = grid.window(region, [])
    if placed is None:
        return

    window = grid.tight(region, placed.size, at_end=at_end)

    inside = region.within(grid.width, grid.height)
    right, bottom = window.left + window.width - 1, window.top + window.height - 1
    assert 0 <= window.left <= inside.left
    assert 0 <= window.top <= inside.top
    assert inside.right <= right < grid.width
    assert inside.bottom <= bottom < grid.height
    assert window.left % grid.stride_px == window.top % grid.stride_px == 0
    if at_end:
        assert right - inside.right < grid.stride_px or right == grid.width - 1 or window.left == 0
    else:
        assert inside.left - window.left < grid.stride_px or right == grid.width - 1


def test_with_as_many_sizes_ready_as_are_kept_one_of_them_is_taken_while_any_is_large_enough() -> (
    None
):
    grid = Grid(640, 480, 16, side_step=2, most_sizes=8)
    needed = Region(100, 100, 250, 250)
    small: list[Size] = [(96, 96 + 32 * number) for number in range(7)]

    assert grid.window(needed, [*small, (192, 160)]) == Window(80, 96, 192, 160)
    assert grid.window(needed, [*small[1:], (192, 160)]) == grid.window(needed, [])
    assert grid.window(needed, [*small, (128, 128)]) == grid.window(needed, [])


def test_a_size_more_than_twice_as_large_as_needed_is_not_taken() -> None:
    grid = Grid(640, 480, 16, side_step=2, most_sizes=8)
    needed = Region(100, 100, 250, 250)
    small: list[Size] = [(96, 96 + 32 * number) for number in range(7)]

    window = grid.window(needed, [*small, (256, 256)])

    assert window is not None
    assert window.size == (160, 160)


@pytest.mark.parametrize("region", [Region(0, 0, 639, 479), Region(-900, -900, 9000, 9000)])
def test_there_is_no_window_where_it_would_be_nearly_the_picture(region: Region) -> None:
    assert Grid(640, 480, 16, side_step=2, most_sizes=8).window(region, []) is None


def test_what_is_near_the_windows_edge_is_not_trusted_unless_it_is_the_pictures() -> None:
    grid = Grid(640, 480, 16, side_step=2, most_sizes=8)

    corner = grid.trusted(Window(0, 0, 160, 160), 32)
    middle = grid.trusted(Window(160, 160, 160, 160), 32)

    assert corner.holds(np.array([[0.0, 0.0], [127.0, 127.0]]))
    assert not corner.holds(np.array([[127.5, 0.0]]))
    assert middle.holds(np.array([[192.0, 192.0], [287.0, 287.0]]))
    assert not middle.holds(np.array([[191.0, 200.0]]))


def test_a_window_tells_which_of_its_sides_are_not_the_pictures() -> None:
    grid = Grid(640, 480, 16, side_step=2, most_sizes=8)

    middle = grid.cut_sides(Window(160, 160, 160, 160))
    corner = grid.cut_sides(Window(480, 0, 160, 160))

    assert middle == CutSides(left=True, top=True, right=True, bottom=True)
    assert corner == CutSides(left=True, top=False, right=False, bottom=True)


def test_a_region_around_others_holds_them() -> None:
    assert around(Region(1, 2, 3, 4), Region(0, 3, 2, 9)) == Region(0, 2, 3, 9)
