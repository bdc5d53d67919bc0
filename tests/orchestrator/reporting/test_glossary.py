"""Terms are explained where a text first uses them, and listed if and only if a page uses them."""

import pytest

from orchestrator.reporting.glossary import GLOSSARY, term, terms_on, with_tooltips


def test_each_term_is_explained_at_its_first_place_alone() -> None:
    html = with_tooltips("Arms run: cos@16 of an arm <b> beats cos@1, magnitude_ratio@16 does not")
    assert html.count("<abbr") == 3
    assert html.startswith(f'<abbr title="{GLOSSARY["arm"]}">Arms</abbr> run: <abbr ')
    assert ">cos@16</abbr> of an arm &lt;b&gt; beats cos@1, <abbr " in html
    assert html.endswith(">magnitude_ratio@16</abbr> does not")


def test_parts_of_words_and_markup_are_no_terms() -> None:
    assert terms_on("<thead><tr><th>harmonic planes, nullified</th></tr></thead>") == {}
    assert list(terms_on("<p>ΔNLL of two heads</p>")) == ["head", "ΔNLL"]  # and not NLL
    assert list(terms_on(f"<p>{term('shuffled frames', 'random order')}</p>")) == ["shuffled frames"]


def test_a_term_without_a_meaning_is_an_error() -> None:
    with pytest.raises(KeyError):
        term("phlogiston")
