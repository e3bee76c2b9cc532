"""For the tests of whoever uses or extends Tidings: contract suites, a movable clock, fakes."""
