"""Pages: as many as were asked for, and how to go on."""

from tidings.api.paging import cut


def test_one_more_than_was_asked_for_means_that_there_is_a_next_page() -> None:
    assert cut([1, 2, 3], 2, str) == ([1, 2], "2")


def test_no_more_than_was_asked_for_is_the_last_page() -> None:
    assert cut([1, 2], 2, str) == ([1, 2], None)
    assert cut([1], 2, str) == ([1], None)


def test_nothing_found_is_an_empty_last_page() -> None:
    assert cut([], 2, str) == ([], None)
