import inspect

from tidings.core import errors


def test_the_drawing_names_every_error_and_each_comes_from_the_root() -> None:
    classes = [one for one in vars(errors).values() if inspect.isclass(one)]
    drawing = errors.__doc__ or ""

    assert [one.__name__ for one in classes if one.__name__ not in drawing] == []
    assert all(issubclass(one, errors.TidingsError) for one in classes)
    assert all(one.__doc__ for one in classes)
