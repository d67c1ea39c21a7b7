"""The redirects that a request may follow, as tables. Real requests are in tests/faults/test_redirects.py."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from odyssey_proto._base.errors import OdysseyConnectionError
from odyssey_proto._net.redirects import Reach, Route, resolved
from odyssey_proto.core.refusals import HttpAnswer

HERE = "http://here.example/a/b?c=d"


def moved(location: str | None, status: int = 307) -> HttpAnswer:
    headers = {} if location is None else {"Location": location}
    return HttpAnswer(operation="GET /a", status=status, headers=headers, secrets=("SECRET",))


def led(
    location: str, status: int = 307, method: str = "GET", url: str = HERE, reach: Reach = Reach.ORIGIN
) -> str:
    route = Route(url, method, reach)
    assert route.follow(moved(location, status))
    return route.url


def refused(
    location: str,
    status: int = 307,
    method: str = "GET",
    url: str = HERE,
    reach: Reach = Reach.ORIGIN,
    token: str = "",
) -> OdysseyConnectionError:
    route = Route(url, method, reach, token)
    with pytest.raises(OdysseyConnectionError) as caught:
        route.follow(moved(location, status))
    assert route.url == url
    error = caught.value
    assert (error.operation, error.status, error.recoverable) == ("GET /a", status, False)
    assert f"GET /a: the service redirects ({status}) " in str(error)
    assert "SECRET" not in str(error)
    assert "?" not in str(error)
    return error


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("http://here.example/x", "http://here.example/x"),
        ("http://HERE.example:80/x", "http://HERE.example:80/x"),
        ("//here.example/x", "http://here.example/x"),
        ("/x", "http://here.example/x"),
        ("x", "http://here.example/a/x"),
        ("../x", "http://here.example/x"),
        ("?x=y", "http://here.example/a/b?x=y"),
        ("/x?y=%20z#part", "http://here.example/x?y=%20z"),
        (" /x ", "http://here.example/x"),
        ("/two words", "http://here.example/two%20words"),
        ("/gr\xc3\xbc\xc3\x9fe", "http://here.example/gr%C3%BC%C3%9Fe"),  # UTF-8, as http.client reads it
        ("/gr\xfc\xdfe", "http://here.example/gr%C3%BC%C3%9Fe"),  # Latin-1
        ("http://user:password@here.example/x", "http://here.example/x"),
    ],
)
def test_an_address_counts_from_the_one_before(location: str, target: str) -> None:
    assert led(location) == target


def test_a_user_in_the_address_stays_while_the_host_does() -> None:
    url = "http://user:password@here.example/a"
    assert led("/x", url=url) == "http://user:password@here.example/x"
    assert led("http://there.example/x", url=url, reach=Reach.ANYWHERE) == "http://there.example/x"


@pytest.mark.parametrize("location", [None, "", " ", "http://[::1", "http://x:0/", "http://x:y/", "/\x01"])
def test_a_redirect_without_a_usable_address_is_final(location: str | None) -> None:
    route = Route(HERE, "GET", Reach.ANYWHERE)
    assert not route.follow(moved(location))
    assert route.url == HERE


def test_a_redirect_that_writes_the_secret_into_the_address_is_final() -> None:
    for location in ("/x?key=SECRET", "/x/%53ECRET"):
        assert not Route(HERE, "GET", Reach.ORIGIN).follow(moved(location))


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 399, 404])
def test_other_answers_are_final(status: int) -> None:
    assert not Route(HERE, "GET", Reach.ANYWHERE).follow(moved("/x", status))


@pytest.mark.parametrize(
    ("method", "statuses"),
    [
        ("GET", {301, 302, 303, 307, 308}),
        ("HEAD", {301, 302, 303, 307, 308}),
        ("POST", {307, 308}),
        ("DELETE", {301, 302, 307, 308}),
    ],
)
def test_a_method_is_never_turned_into_another(method: str, statuses: set[int]) -> None:
    for status in (301, 302, 303, 307, 308):
        if status in statuses:
            assert led("/x", status, method) == "http://here.example/x"
        else:
            error = refused("/x?token=other", status, method)
            assert error.code == f"http_{status}"
            assert "from http://here.example to http://here.example/x, which would turn" in str(error)


@pytest.mark.parametrize(
    ("url", "location", "follows"),
    [
        ("http://a", "http://b/", False),
        ("http://a", "http://a:8000/", False),
        ("http://a:8000", "http://a/", False),
        ("http://a", "http://sub.a/", False),
        ("http://a:1", "http://a:1/", True),
        ("http://a", "https://a/", True),
        ("http://a:80", "https://a:443/", True),
        ("http://a:8000", "https://a:8000/", False),
        ("http://a:8000", "https://a/", False),
        ("http://a", "https://a:8443/", False),
        ("http://a", "https://b/", False),
        ("https://a", "https://a:443/", True),
        ("https://a", "http://a/", False),
        ("https://a", "http://a:443/", False),
        ("https://a", "http://b/", False),
    ],
)
def test_a_request_with_a_secret_stays_on_its_origin_or_goes_to_its_https(
    url: str, location: str, follows: bool
) -> None:
    if follows:
        assert led(location, url=url) == location
    else:
        error = refused(location + "?api_key=other", url=url)
        assert f"from {url} to {location.rstrip('/')}" in str(error)
        is_downgrade = url.startswith("https:")
        assert error.code == ("unsafe_redirect" if is_downgrade else "foreign_redirect")


@pytest.mark.parametrize("url", ["http://a/x", "https://a/x"])
@pytest.mark.parametrize("location", ["http://b/y", "https://b/y"])
def test_a_request_without_a_secret_may_go_anywhere(url: str, location: str) -> None:
    assert led(location, url=url, reach=Reach.ANYWHERE) == location


def test_a_signed_address_may_go_anywhere_but_from_https_to_http() -> None:
    assert led("https://b/y", url="http://a/x", reach=Reach.SECURE) == "https://b/y"
    assert led("https://b/y", url="https://a/x", reach=Reach.SECURE) == "https://b/y"
    assert led("http://b/y", url="http://a/x", reach=Reach.SECURE) == "http://b/y"
    assert refused("http://b/y", url="https://a/x", reach=Reach.SECURE).code == "unsafe_redirect"


TOKEN = "to+ken/ü="


@pytest.mark.parametrize(
    "location",
    [
        "http://b/s/whep?token=to%2Bken%2F%C3%BC%3D",
        "http://b/s/whep?x=1&token=to+ken/%C3%BC=",
        "http://b/s/whep?jwt=to%2Bken%2F%C3%BC%3D#x",
        "http://b/to%2Bken%2F%C3%BC%3D/whep",
    ],
)
def test_a_token_in_the_address_may_go_where_the_redirect_already_has_it(location: str) -> None:
    route = Route("http://a/s/whep?token=to%2Bken%2F%C3%BC%3D", "POST", Reach.ORIGIN, TOKEN)
    assert route.follow(moved(location))
    assert route.url == location.partition("#")[0]


@pytest.mark.parametrize(
    "location",
    ["http://b/whep", "http://b/whep?token=", "http://b/whep?token=xto%2Bken%2F%C3%BC%3D", "http://b/to+ken"],
)
def test_a_token_in_the_address_does_not_go_where_the_redirect_lacks_it(location: str) -> None:
    assert refused(location, method="POST", url="http://a/whep", token=TOKEN).code == "foreign_redirect"


def test_a_token_does_not_go_from_https_to_http_even_so() -> None:
    assert refused("http://a/?token=t", url="https://a/?token=t", token="t").code == "unsafe_redirect"


def test_no_token_is_not_carried_by_an_empty_part() -> None:
    assert refused("http://b//x?y=").code == "foreign_redirect"


@pytest.mark.parametrize(
    "location", ["ftp://here.example/x", "file:///etc/passwd", "javascript:x", "ws://here.example"]
)
def test_an_address_that_is_not_on_the_web_is_an_error(location: str) -> None:
    assert refused(location, reach=Reach.ANYWHERE).code == "unsafe_redirect"


def test_ten_redirects_are_followed_and_no_more() -> None:
    route = Route(HERE, "GET", Reach.ORIGIN)
    for number in range(10):
        assert route.follow(moved(f"/{number}"))
    with pytest.raises(
        OdysseyConnectionError,
        match=r"more than 10 times, at last from http://here.example to http://here.example/x",
    ) as caught:
        route.follow(moved("/x?token=other"))
    assert caught.value.code == "too_many_redirects"


def test_a_path_that_looks_like_a_host_which_is_none_is_no_address_that_cannot_be_taken_apart() -> None:
    target = resolved("https://here.example/", "ftp:////[:db8::1]/")
    assert target is None or not urlsplit(target).netloc  # Pythons differ in how many slashes they keep
