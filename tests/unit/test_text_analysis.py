"""What a tokenised text promises: the same tokens for memory and query, safe for any engine."""

from __future__ import annotations

import threading
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mnemon_service.model.text_analysis import MAXIMUM_TOKEN_LENGTH, MAXIMUM_TOKENS, term_counts, tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Caroline's paintings", ["carolin", "paint"]),
        ("Caroline\u2019s paintings", ["carolin", "paint"]),
        ("I don't run, she ran", ["i", "don", "run", "she", "ran"]),
        ("l'amour, rock'n'roll, O'Neil's", ["l", "amour", "rock", "n", "roll", "o", "neil"]),
        ("On the 7th of May, 2023", ["on", "the", "7", "of", "may", "2023"]),
        ("1,250 people, 3.5 km", ["1250", "peopl", "3.5", "km"]),
        ("snake_case and kebab-case", ["snak", "case", "and", "kebab", "case"]),
        ("CAFÉ cafe\u0301 cafe", ["cafe", "cafe", "cafe"]),
        ("Straße STRASSE", ["stras", "stras"]),
        ("ﬁne ＷＩＤＥ", ["fine", "wide"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("猫", ["猫"]),
        ("Tokyo 東京 2024", ["toky", "東京", "2024"]),
        ("서울에서", ["서울", "울에", "에서"]),
        ("книги книга", ["книг", "книг"]),
        ("हिन्दी", ["हिन्द"]),
        ("Tom & Ana 🎉 …", ["tom", "ana"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_words_become_these_tokens(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


@pytest.mark.parametrize(
    ("memory", "query"),
    [
        ("Melanie went camping with her kids", "When did Melanie camp with the kid?"),
        ("Meine Schwester hat zwei Kinder und ein altes Haus", "Kind Häuser"),
        ("Compré unos zapatos nuevos", "comprar zapato nuevo"),
        ("Ma sœur habite une vieille maison", "maisons vieilles"),
        ("La mattina suonava la chitarra", "suonava chitarre"),
        ("Она купила новые книги", "новая книга"),
        ("昨日東京タワーに行きました", "東京タワー"),
        ("제주도에서 살았다", "제주도"),
        ("ผมชอบกินข้าวผัด", "ข้าวผัด"),
    ],
)
def test_a_query_shares_tokens_with_the_memory_it_asks_for(memory: str, query: str) -> None:
    assert len(set(tokenize(memory)) & set(tokenize(query))) >= 2


words = st.text(min_size=0, max_size=80)


@given(words)
@example("\u13a0\uab70")  # Cherokee, whose folded form is upper case
@example("\u0345\u1fb3")  # iota subscript
@example("ﷺ")  # one character that folds to a phrase with blanks
@example("\u1e9e\u0130")
def test_tokens_survive_an_engine_that_splits_at_blanks_and_lowers(text: str) -> None:
    tokens = tokenize(text)
    assert " ".join(tokens).split() == tokens
    assert all(1 <= len(token) <= MAXIMUM_TOKEN_LENGTH for token in tokens)
    assert [token.lower() for token in tokens] == tokens


@given(words, words)
def test_a_token_depends_on_its_word_alone(left: str, right: str) -> None:
    assert tokenize(f"{left}\n{right}") == tokenize(left) + tokenize(right)


@given(words)
def test_composed_and_decomposed_spellings_give_equal_tokens(text: str) -> None:
    assert tokenize(unicodedata.normalize("NFC", text)) == tokenize(unicodedata.normalize("NFD", text))


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_the_fast_way_for_ascii_gives_what_the_full_way_gives(text: str) -> None:
    assert tokenize(f"{text} é") == [*tokenize(text), "e"]


@given(words)
def test_term_counts_count_the_tokens(text: str) -> None:
    counts = term_counts(text)
    assert sum(counts.values()) == len(tokenize(text))
    assert set(counts) == set(tokenize(text))


def test_a_very_long_word_and_a_very_long_text_are_cut() -> None:
    assert tokenize("x" * 10_000) == ["x" * MAXIMUM_TOKEN_LENGTH]
    assert len(tokenize("tea " * (MAXIMUM_TOKENS + 5))) == MAXIMUM_TOKENS


def test_threads_that_stem_at_once_get_the_same_tokens() -> None:
    texts = [f"running{chr(97 + i % 26)}{chr(97 + i // 26)}nesses organizations{i}" for i in range(300)]
    found: list[list[list[str]]] = []
    threads = [
        threading.Thread(target=lambda: found.append([tokenize(text) for text in texts])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer == found[0] for answer in found)
