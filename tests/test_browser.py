"""What the tests of pages look for is found: one bad page for each complaint, and a good one without any."""

from __future__ import annotations

import re

import pytest

from tests.browser import wrong_with

DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
GOOD = f"""<!doctype html><html><head><title>t</title><meta name=viewport content=width=device-width>
<style>.zoom input:checked + img {{ position: fixed; inset: 0; width: 100%; height: 100%; }} </style></head>
<body><h1>h</h1><section id="a"><h2>s</h2>
<label class="zoom"><input type="checkbox" aria-label="Enlarge">
<img class="shown" src="{DOT}" alt="dot" width="20"></label>
<span class="axes" style="display: block; width: 200px"><span class="y"><i>1</i></span><img src="{DOT}" alt="dot">
<span class="x" style="display: block"><i>0</i> <i>1</i></span></span>
<a href="#a">a</a> <a href="page.html">b</a></section></body></html>"""
FAR = '<i style="position: relative; left: -99px">1</i>'
ROLL = '<div style="overflow-x: auto; width: 90px"><p style="width: 300px">x</p></div>'

BAD = [
    ("<h1>h</h1>", '<h1>h</h1><div style="width: 500px">x</div>', "wide in a window of 390"),
    ("<h1>h</h1>", f"<h1>h</h1>{ROLL}", "scrolls sideways"),
    ("<h1>h</h1>", '<h1>h</h1><p style="font-size: 5px">small</p>', "too small to read: p small"),
    (
        f'src="{DOT}" alt="dot" width',
        'src="data:image/gif;base64,R0lG" alt="dot" width',
        "does not decode: img dot",
    ),
    ('alt="dot" width', "width", "no text for those who cannot see"),
    (' aria-label="Enlarge"', "", "a control without a name"),
    ("<h1>h</h1>", "", "not one h1"),
    ("<title>t</title>", "", "no title"),
    ("<h2>s</h2>", "", "a section without a heading"),
    ("<h1>h</h1>", '<h1 id="a">h</h1>', "two parts with one id"),
    ("<h1>h</h1>", "<h1>h</h1><script>console.error('oh')</script>", "a script"),
    ("<h1>h</h1>", "<h1>h</h1><script>console.error('oh')</script>", "'value': 'oh'"),
    ("<h1>h</h1>", "<h1>h</h1><script>nothing()</script>", "Uncaught"),
    ("#a", "#b", "leads nowhere: #b"),
    ("page.html", "export/x.png", "no such file: export/x.png"),
    ("page.html", "https://example.org/", "leads away"),
    ("<i>0</i> <i>1</i>", '<i>0</i><i style="margin-left: -20px">1</i>', "labels of an axis overlap"),
    ('<span class="y"><i>1</i>', f'<span class="y">{FAR}', "a label leaves its axes"),
    (".zoom input:checked", ".zoom input:focus", "a click gives a picture"),
]


def test_a_good_page_is_found_good(browser, tmp_path):
    (tmp_path / "page.html").write_text(GOOD, encoding="utf-8")
    picture = tmp_path / "page.png"
    assert wrong_with(browser, tmp_path / "page.html", 390, picture) == []
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("good", "bad", "complaint"), BAD, ids=[c for _, _, c in BAD])
def test_a_bad_page_is_found_bad(browser, tmp_path, good, bad, complaint):
    assert good in GOOD
    (tmp_path / "page.html").write_text(GOOD.replace(good, bad, 1), encoding="utf-8")
    found = wrong_with(browser, tmp_path / "page.html", 390)
    assert any(re.search(re.escape(complaint), line) for line in found), found
