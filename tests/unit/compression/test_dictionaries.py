import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dictionaries import bootstrap_bytes, generated_bodies
from tierfold.compression.lossless import (
    Codec,
    ContentKind,
    Dictionary,
    bootstrap_dictionaries,
    train,
    trained_dictionary,
)
from tierfold.context.canonical import canonical_json
from tierfold.errors import CorruptError, FormatTooNewError

FIRST_ID = "e6b7e1cacbb9e7ae"


def rows(count: int, seed: int) -> list[bytes]:
    """Return bodies of a tenant whose words nobody else uses."""
    dice = random.Random(seed)
    words = [
        f"{first}{last}" for first in ("zug", "lok", "tram") for last in ("rad", "tor", "zeit")
    ]
    rows = ({"content": " ".join(dice.choices(words, k=60)), "role": "user"} for _ in range(count))
    return [b"\x01" + canonical_json(row) for row in rows]


@pytest.fixture(scope="module")
def samples() -> list[bytes]:
    return rows(3000, seed=7)


def test_the_first_bootstrap_dictionary_never_changes() -> None:
    """Every store ever written needs these very bytes."""
    first = bootstrap_dictionaries()[0]

    assert (first.id, len(first.data)) == (b"\x01", 32_768)
    assert trained_dictionary(None, first.data).id.hex() == FIRST_ID
    assert first.is_bootstrap


def test_the_bootstrap_dictionary_is_made_of_the_text_in_the_repository() -> None:
    """Anyone can make it again: it holds the project's own text and nothing else."""
    assert bootstrap_bytes() == bootstrap_dictionaries()[0].data


def test_training_is_deterministic_and_pays(samples: list[bytes]) -> None:
    """Equal samples give an equal dictionary, which packs unseen bodies better than ours."""
    trained = train(samples, ContentKind.CHAT)
    unseen = rows(100, seed=8)

    assert trained is not None
    assert trained == train(samples, ContentKind.CHAT)
    assert not trained.is_bootstrap
    own, common = Codec([trained]), Codec()
    sizes = [
        sum(len(codec.frame(body, ContentKind.CHAT)) for body in unseen) for codec in (own, common)
    ]
    assert sizes[0] < sizes[1]


def test_too_few_samples_train_nothing(samples: list[bytes]) -> None:
    """A dictionary of little text would only repeat it."""
    assert sum(map(len, samples)) > 1 << 20
    assert train(samples[:200], ContentKind.CHAT) is None


@pytest.mark.parametrize(
    "useless",
    [
        [random.Random(seed).randbytes(1000) for seed in range(1100)],
        [bytes(1 << 21)],
        generated_bodies(count=3000, seed=9),
    ],
    ids=["noise", "one sample", "what the bootstrap dictionary knows"],
)
def test_a_dictionary_that_is_not_better_is_not_kept(useless: list[bytes]) -> None:
    """It must shrink samples that it has not seen: it has to be stored for ever."""
    assert train(useless, ContentKind.CHAT) is None


def test_more_samples_than_enough_are_thinned_out() -> None:
    """Training time is bounded: of 20 MB every third sample is taken."""
    many = [row * 4 for row in rows(3000, seed=5)] * 4

    trained = train(many, ContentKind.LOG)

    assert 2 * (8 << 20) < sum(map(len, many)) < 3 * (8 << 20)
    assert trained is not None
    assert trained == train(many[::3], ContentKind.LOG)


def test_a_dictionary_survives_its_stored_form(samples: list[bytes]) -> None:
    """It is stored smaller than it is, and comes back with its kind and its name."""
    trained = train(samples, ContentKind.TOOL_JSON)
    assert trained is not None
    stored = trained.encode()

    assert Dictionary.decode(stored) == trained
    assert len(stored) < 0.6 * len(trained.data)
    assert Dictionary.decode(trained_dictionary(None, b"abc").encode()).kind is None


@given(data=st.binary(max_size=60))
def test_a_damaged_dictionary_is_refused(data: bytes) -> None:
    """What is no dictionary is an error of ours."""
    with pytest.raises((CorruptError, FormatTooNewError)):
        Dictionary.decode(data)


def test_a_dictionary_that_claims_too_much_is_refused() -> None:
    """Its size is read before it is unpacked."""
    stored = trained_dictionary(None, bytes(64 * 1024 + 1)).encode()

    with pytest.raises(CorruptError, match="a dictionary"):
        Dictionary.decode(stored)
    with pytest.raises(FormatTooNewError):
        Dictionary.decode(b"\x02" + stored[1:])


def test_the_stored_form_of_a_dictionary_never_changes() -> None:
    """What the first release stored is read by all."""
    stored = bytes.fromhex("010128b52ffd2003190000616263")

    assert Dictionary.decode(stored) == trained_dictionary(ContentKind.CHAT, b"abc")
