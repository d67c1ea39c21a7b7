"""The examples in docstrings run, and every public name has a docstring."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import odyssey_proto
from tests.support.cases import every

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(odyssey_proto.__path__, "odyssey_proto.")
    if not module.name.endswith("__main__")
)


@every("name", MODULES)
def test_examples_in_docstrings_give_what_they_say(name: str) -> None:
    module = importlib.import_module(name)
    for promised in module.__all__:  # a package that loads names on demand has them only after this
        getattr(module, promised)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for found in doctest.DocTestFinder().find(module):
        if found.examples:  # running a docstring without examples takes as long as a short example
            runner.run(found)
    assert runner.failures == 0


@every("name", MODULES)
def test_a_module_says_what_it_is_and_what_it_promises(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    assert isinstance(module.__all__, list)
    assert [promised for promised in module.__all__ if not hasattr(module, promised)] == []


@every("name", odyssey_proto.__all__)
def test_a_public_name_is_documented_with_all_its_methods(name: str) -> None:
    thing = getattr(odyssey_proto, name)
    if not inspect.isclass(thing):
        return
    assert inspect.getdoc(thing)
    undocumented = [
        member
        for member, value in vars(thing).items()
        if not member.startswith("_")
        and (callable(value) or isinstance(value, property))
        and not inspect.getdoc(value)
    ]
    assert undocumented == []


def test_a_star_import_gives_exactly_the_public_names() -> None:
    namespace: dict[str, object] = {}
    exec("from odyssey_proto import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(odyssey_proto.__all__)
