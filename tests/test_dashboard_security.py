"""Who gets in, who may write, what is never given away."""

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import storage_shards as samples
from dashboard_server import ADDRESS, OURS, Page, served
from starlette.testclient import TestClient

import storage.dashboard.app as dashboard_app
from storage.dashboard.app import create_app
from storage.dashboard.guard import CSP
from storage.dashboard.serving import address_of, listen
from storage.dashboard.settings import BODY_BYTES, BULK, Settings
from storage.store import Store, open_store

TOKEN = "a token of this test"
SECRET = "nobody may read this"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return samples.unbroken(tmp_path_factory.mktemp("filled") / "store", range(4))


@pytest.fixture(scope="module")
def page(filled: Store, tmp_path_factory: pytest.TempPathFactory):
    with served(filled, tmp_path_factory.mktemp("cache")) as page:
        yield page


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"host": "0.0.0.0"}, "add --token"),
        ({"host": "192.168.0.7"}, "add --token"),
        ({"host": "my-machine"}, "add --token"),
        ({"host": ""}, "add --token"),
        ({"by": "ada\udcff"}, "readable text"),
        ({"token": "short"}, "at least 8"),
        ({"token": "with a \n line"}, "plain ones"),
        ({"port": 70000}, "1 to 65535"),
        ({"by": " "}, "--by NAME"),
    ],
)
def test_what_would_let_others_in_is_refused_in_one_sentence(settings: dict, sentence: str):
    with pytest.raises(ValueError, match=sentence) as said:
        Settings(**{"by": "ada", **settings})
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.9"])
def test_this_machine_needs_no_token(host: str):
    assert Settings(by="ada", host=host).token is None


def test_the_token_is_not_shown_by_accident():
    assert TOKEN not in repr(Settings(by="ada", token=TOKEN))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[", "", "10.0.0.9"],
)
def test_another_name_is_not_answered(page: Page, host: str):
    """A page of another site may point its own name at this machine (DNS rebinding)."""
    for path in ("/", "/api/store", "/static/index.html"):
        assert page.client.get(path, headers={"Host": host}).status_code == 421


def test_with_a_token_any_name_is_answered_and_none_without_it(filled: Store, tmp_path: Path):
    """A proxy in front has a name of its own; a name that was rebound to us has no cookie."""
    with served(filled, tmp_path, host="0.0.0.0", token=TOKEN) as page:
        for host, status in (("192.168.0.7:8420", 200), ("data.example", 200), ("[", 421)):
            assert page.client.get("/api/store", headers={"Host": host}).status_code == status
        nobody = {"Host": "evil.example", "Authorization": ""}
        for path in ("/", "/api/store", "/static/index.html"):
            assert page.client.get(path, headers=nobody).status_code == 401


@pytest.mark.parametrize("host", ["data.example", "127.0.0.1:8420"])
def test_curators_decide_through_a_proxy(filled: Store, tmp_path: Path, host: str):
    """It speaks TLS and hands the public name on, or its own for us; browsers tell whose page."""
    shutil.copytree(filled.location.path, tmp_path / "store")
    with served(open_store(tmp_path / "store"), tmp_path / "cache", token=TOKEN) as page:
        body = {"motion_ids": page.ids()[:1], "verdict": "drop"}
        public = {"Host": host, "Origin": "https://data.example"}
        for site, status in (("same-origin", 200), ("same-site", 403), ("cross-site", 403)):
            headers = {**public, "Sec-Fetch-Site": site}
            answer = page.client.post("/api/decisions", json=body, headers=headers)
            assert answer.status_code == status, site
        assert page.client.post("/api/decisions", json=body, headers=public).status_code == 403


def test_without_the_token_nothing_is_told(filled: Store, tmp_path: Path):
    app = create_app(filled, Settings(by="ada", token=TOKEN, cache=tmp_path))
    with TestClient(app, base_url=ADDRESS, follow_redirects=False) as client:
        wrong = {"Authorization": "Bearer something else"}
        for path in ("/", "/api/store", "/api/motions", "/static/index.html", "/api/thumb?id=x"):
            for answer in (client.get(path), client.get(path, headers=wrong)):
                assert answer.status_code == 401 and "a token is needed" in answer.text
        assert client.get("/?token=wrong-token").status_code == 401
        assert (
            client.post("/api/decisions?token=" + TOKEN, json={}, headers=OURS).status_code == 401
        )
        client.cookies.set("crossdiff-8420", TOKEN)
        assert client.get("/api/store").status_code == 401, "the cookie does not hold the token"
        client.cookies.clear()
        first = client.get("/", params={"token": TOKEN, "q": "a b"})
        assert first.status_code == 303 and first.headers["location"] == "/?q=a+b"
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie and TOKEN not in cookie
        assert client.get("/api/store").status_code == 200, "the cookie is enough"
        client.cookies.clear()
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/api/store", headers=right).status_code == 200
        away = client.get(f"{ADDRESS}//evil.example/", params={"token": TOKEN})
        assert away.headers["location"] == "/evil.example/", "not to another machine"


def test_other_cookies_of_this_machine_do_not_hide_ours(filled: Store, tmp_path: Path):
    app = create_app(filled, Settings(by="ada", token=TOKEN, cache=tmp_path))
    with TestClient(app, base_url=ADDRESS, follow_redirects=False) as client:
        cookie = client.get("/", params={"token": TOKEN}).headers["set-cookie"].partition(";")[0]
        client.cookies.clear()
        for other in ('theme={"dark":1}', "a b", "x[1]=2"):
            answer = client.get("/api/store", headers={"Cookie": f"{other}; {cookie}"})
            assert answer.status_code == 200, other


def test_the_address_that_is_printed_opens_with_any_token(filled: Store, tmp_path: Path):
    settings = Settings(by="ada", token="a+b&c#d%41 e=f", port=0, cache=tmp_path)
    with closing(listen(settings)) as sock:
        address = address_of(sock, settings)
    port = int(address.rpartition(":")[2].partition("/")[0])
    app = create_app(filled, replace(settings, port=port))
    with TestClient(app, follow_redirects=False) as client:
        assert client.get(address).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:8420"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": ADDRESS, "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_only_our_own_pages_write(page: Page, headers: dict):
    body = {"motion_ids": page.ids()[:1], "verdict": "drop"}
    for path in ("/api/decisions", "/api/undo", "/api/ask"):
        assert page.client.post(path, json=body, headers=headers).status_code == 403
    assert page.client.delete("/api/ask/x", headers=headers).status_code == 403
    assert page.get("/api/decisions")["rows"] == []


def test_a_script_with_the_token_may_write(filled: Store, tmp_path: Path):
    shutil.copytree(filled.location.path, tmp_path / "store")
    with served(open_store(tmp_path / "store"), tmp_path / "cache", token=TOKEN) as page:
        body = {"motion_ids": page.ids()[:1], "verdict": "drop"}
        assert page.client.post("/api/decisions", json=body).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_form_of_another_site_is_no_json(page: Page, kind: str):
    headers = {**OURS, "Content-Type": kind}
    assert page.client.post("/api/decisions", content="{}", headers=headers).status_code == 415


def test_another_site_may_not_make_us_work(page: Page):
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert page.client.get("/api/video?id=x", headers=headers).status_code == 403
    assert page.client.put("/api/store").status_code == 405


def test_sizes_are_bounded(page: Page):
    first = page.ids()[0]
    large = page.client.post(
        "/api/decisions",
        content=b"[" + b" " * BODY_BYTES,
        headers={**OURS, "Content-Type": "application/json"},
    )
    assert large.status_code == 413 and "bytes" in large.json()["error"]
    for wrong in (
        {"motion_ids": []},
        {"motion_ids": [f"m{n}" for n in range(BULK + 1)], "verdict": "keep"},
        {"motion_ids": ["x" * 1001], "verdict": "keep"},
        {"motion_ids": [first], "captions": ["x" * 501]},
        {"motion_ids": [first], "captions": ["x"] * 21},
        {"motion_ids": [first], "captions": []},
        {"motion_ids": [first], "captions": [" "]},
        {"motion_ids": [first], "note": "x" * 2001},
        {"motion_ids": [first], "by": "x" * 101, "verdict": "keep"},
        {"motion_ids": [first], "verdict": "delete"},
        {"motion_ids": [first], "split": "dev"},
        {"motion_ids": [first], "withdraws": ["x"], "verdict": "keep"},
        {"motion_ids": first, "verdict": "keep"},
        {"motion_ids": [first]},
        [],
    ):
        assert len(page.post("/api/decisions", wrong, 422)["error"]) < 320
    half = {**OURS, "Content-Type": "application/json"}
    body = f'{{"motion_ids": ["{first}"], "captions": ["\\ud800"]}}'
    assert page.client.post("/api/decisions", content=body, headers=half).status_code == 422
    for query in (
        "limit=201",
        "limit=0",
        "offset=-1",
        "sort=1",
        "order=up",
        "min_score=nan",
        "q=" + "x" * 201,
        "verdict=x",
        "min_seconds=inf",
        "action=" + "x" * 201,
    ):
        assert page.client.get(f"/api/motions?{query}").status_code == 422
    assert page.get("/api/decisions")["rows"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/%2e%2e%2fapp.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/....//app.py",
        "/static/%252e%252e/app.py",
        "/static/.",
        "/static/",
        "/../../etc/passwd",
        "/api/../app.py",
    ],
)
def test_no_path_leads_out_of_the_package_s_pages(page: Page, path: str):
    answer = page.client.get(path)
    assert answer.status_code == 404, answer.text
    assert "create_app" not in answer.text and "root:" not in answer.text


def test_not_even_by_a_link(filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    static = tmp_path / "static"
    static.mkdir()
    (static / "index.html").write_text("<!doctype html>")
    (tmp_path / "secret.txt").write_text(SECRET)
    (static / "link.txt").symlink_to(tmp_path / "secret.txt")
    (static / "out").symlink_to(tmp_path)
    monkeypatch.setattr(dashboard_app, "STATIC", static)
    with served(filled, tmp_path / "cache") as page:
        assert page.client.get("/static/index.html").status_code == 200
        for path in ("/static/link.txt", "/static/out/secret.txt"):
            assert SECRET not in page.client.get(path).text


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "'; DROP TABLE m; --", "x' OR '1'='1", "%00", "/etc/passwd", "é" * 90],
)
def test_a_motion_s_name_is_only_ever_a_name(page: Page, name: str):
    for path in ("/api/motion", "/api/arrays", "/api/thumb", "/api/video"):
        assert "no such motion" in page.get(path, 404, id=name)["error"]
    assert page.get("/api/motions", action=name, q=name[:20], dataset=name)["total"] == 0
    assert page.get("/api/motions")["total"] == len(page.ids()) > 0


def test_every_answer_is_guarded(page: Page):
    for path in ("/", "/static/index.html", "/api/store", "/api/motion?id=x", "/nowhere"):
        headers = page.client.get(path).headers
        assert headers["content-security-policy"] == CSP
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "cache-control" in headers and "access-control-allow-origin" not in headers
    assert "unsafe" not in CSP and "frame-ancestors 'none'" in CSP and "default-src 'self'" in CSP
    assert (
        page.client.get("/docs").status_code == page.client.get("/openapi.json").status_code == 404
    )


def test_a_bug_of_ours_is_a_sentence_and_no_traceback(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from storage.dashboard import routes

    def broken(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(routes, "facets", broken)
    with served(filled, tmp_path) as page:
        answer = page.client.get("/api/facets")
        assert answer.status_code == 500 and set(answer.json()) == {"error"}
        assert SECRET not in answer.text and "Traceback" not in answer.text


def test_a_taken_port_is_one_sentence():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(by="ada", port=taken.getsockname()[1])
        with pytest.raises(ValueError, match="another --port"):
            listen(settings)
    with pytest.raises(ValueError, match="no address of this machine"):
        listen(Settings(by="ada", host="no-such-host.invalid", token=TOKEN))


def test_the_command_ends_quietly(filled: Store, tmp_path: Path):
    import signal

    import cli_runs

    url = filled.location.root
    process = cli_runs.start(tmp_path, "dashboard", "--store", url, "--port", "0")
    assert process.stdout is not None
    assert "http://127.0.0.1:" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    done = cli_runs.finish(process, 30)
    assert (done.status, done.stdout, done.stderr, done.left_over) == (0, "", "", [])
