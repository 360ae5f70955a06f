"""Contexts with known evidence, written from templates: for machines that have no data folder.

Made to be hard for word overlap: a question names thing and deed mostly by other words than the
fact does, what it does repeat stands in other facts too (same person, same thing, other years),
and half of the facts are told over neighbouring segments.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from benchmarks.data import Context, EvaluationSet, Query, Segment
from benchmarks.generated_words import (
    ASIDES,
    DEEDS,
    FILLER_ENDS,
    FILLER_MIDDLES,
    FILLER_STARTS,
    PEOPLE,
    PLACE_AND_TIME,
    PLACES,
    TELLING,
    TELLING_ENDS,
    THINGS,
)
from tierfold.text import token_counter

_CONTEXTS_OF_EACH_KIND = 12
_ASKED = 6  # of each context's facts
_OTHER_FACTS = 120
_NOISE_MAX = 2  # segments in front of each fact
_PEOPLE_IN_ONE = 4  # so that a name alone stands in more text than the budget holds
_SAME_WORD_SHARE = 0.3  # of the words that a question takes over from its fact
_SPREAD_SHARE = 0.5  # of facts told over neighbouring segments
_DOCUMENT_SEGMENTS = 9
_YEARS = (1950, 2025)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    """Who did what to which thing, where and when; the words that tell it."""

    person: str
    thing: str
    deed: str
    place: str
    year: int


@dataclass(slots=True, kw_only=True)
class _Draft:
    """One context as it is written."""

    kind: str
    name: str
    dice: random.Random
    people: list[str]
    segments: list[Segment] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)

    def add(self, text: str, speaker: str) -> int:
        """Add a segment and return its index."""
        group = None
        if self.kind == "dialogue":
            text = f"{speaker}: {text}"
        elif self.kind == "multidoc":
            group = f"Report {len(self.segments) // _DOCUMENT_SEGMENTS + 1}"
        else:
            group = "module"
        self.segments.append(Segment(text=text, group=group))
        return len(self.segments) - 1


def generated_set(*, seed: int) -> EvaluationSet:
    """Return dialogues, documents and code: a dozen contexts of each, six questions to one."""
    dice = random.Random(seed)  # reproducible text, no secrets
    contexts: dict[str, Context] = {}
    queries: list[Query] = []
    for kind in ("dialogue", "multidoc", "code"):
        for number in range(_CONTEXTS_OF_EACH_KIND):
            people = dice.sample(PEOPLE, _PEOPLE_IN_ONE)
            draft = _Draft(kind=kind, name=f"{kind}/{number}", dice=dice, people=people)
            contexts[draft.name] = _written(draft)
            queries += draft.queries
    return EvaluationSet(name="generated", contexts=contexts, queries=tuple(queries))


def _written(draft: _Draft) -> Context:
    asked = [_fact(draft, thing) for thing in draft.dice.sample(THINGS, _ASKED)]
    steps: list[Callable[[], None]] = []
    for words, fact in asked:
        steps += _about(draft, words, fact)
    others = [_fact(draft, draft.dice.choice(THINGS))[1] for _ in range(_OTHER_FACTS)]
    facts = [fact for _, fact in asked]
    steps += [_telling(draft, fact) for fact in others if not _is_like_any(fact, facts)]
    draft.dice.shuffle(steps)
    for step in steps:
        for _ in range(draft.dice.randint(0, _NOISE_MAX)):
            _noise(draft)
        step()
    count = token_counter("o200k").count
    tokens = tuple(count(segment.text) for segment in draft.segments)
    return Context(id=draft.name, kind=draft.kind, segments=tuple(draft.segments), tokens=tokens)


def _is_like_any(fact: _Fact, facts: list[_Fact]) -> bool:
    """Return whether a question about one of the facts could mean this one."""
    same_person = (other for other in facts if other.person == fact.person)
    return any({other.thing, fact.thing} <= {*thing} for other in same_person for thing in THINGS)


def _fact(draft: _Draft, thing: tuple[str, ...]) -> tuple[_Fact, _Fact]:
    """Return one fact twice: in a question's words and in the text's."""
    dice = draft.dice
    deed = dice.choice(DEEDS)
    told_thing, told_deed = dice.choice(thing), dice.choice(deed)
    fact = _Fact(
        person=dice.choice(draft.people),
        thing=told_thing,
        deed=told_deed,
        place=dice.choice(PLACES),
        year=dice.randint(*_YEARS),
    )
    asked_thing, asked_deed = _reworded(dice, thing, told_thing), _reworded(dice, deed, told_deed)
    return replace(fact, thing=asked_thing, deed=asked_deed), fact


def _reworded(dice: random.Random, words: tuple[str, ...], told: str) -> str:
    if dice.random() < _SAME_WORD_SHARE:
        return told
    return dice.choice([word for word in words if word != told])


def _about(draft: _Draft, words: _Fact, fact: _Fact) -> list[Callable[[], None]]:
    """Return what writes an asked fact and what surrounds it with the question's own words."""
    dice = draft.dice
    others = [person for person in draft.people if person != fact.person]
    thing = dice.choice([name for names in THINGS if fact.thing not in names for name in names])
    deed = dice.choice([name for names in DEEDS if fact.deed not in names for name in names])
    rivals = [
        replace(words, person=dice.choice(others)),
        replace(words, thing=thing),
        replace(words, deed=deed),
        replace(words, person=dice.choice(others), deed=deed),
    ]
    told = _telling(draft, fact, question=_question(draft, words))
    return [told, _mention(draft, words), *(_telling(draft, _elsewhere(dice, r)) for r in rivals)]


def _elsewhere(dice: random.Random, fact: _Fact) -> _Fact:
    return replace(fact, place=dice.choice(PLACES), year=dice.randint(*_YEARS))


def _question(draft: _Draft, fact: _Fact) -> str:
    if draft.kind == "code":
        return f"Where does {fact.person}'s code handle that the {fact.thing} was {fact.deed}?"
    return draft.dice.choice(
        [
            f"Where was the {fact.thing} when {fact.person} {fact.deed} it?",
            f"In which town was the {fact.thing} {fact.deed} by {fact.person}?",
            f"When and where was it that {fact.person} {fact.deed} the {fact.thing}?",
        ]
    )


def _telling(draft: _Draft, fact: _Fact, question: str = "") -> Callable[[], None]:
    def tell() -> None:
        write = _write_code if draft.kind == "code" else _write_prose
        places = write(draft, fact)
        if question:
            evidence = tuple((place,) for place in places)
            draft.queries.append(Query(context_id=draft.name, question=question, evidence=evidence))

    return tell


def _write_prose(draft: _Draft, fact: _Fact) -> list[int]:
    dice = draft.dice
    who = "I" if draft.kind == "dialogue" else fact.person
    said = dice.choice(TELLING).format(who=who, deed=fact.deed, thing=fact.thing)
    if dice.random() >= _SPREAD_SHARE:
        return [draft.add(f"{said} in {fact.place} in {fact.year}.", fact.person)]
    first = draft.add(f"{said}{dice.choice(TELLING_ENDS)}.", fact.person)
    if dice.random() < _SPREAD_SHARE:
        draft.add(dice.choice(ASIDES), dice.choice(draft.people))
    where = dice.choice(PLACE_AND_TIME).format(place=fact.place, year=fact.year)
    return [first, draft.add(where, fact.person)]


def _write_code(draft: _Draft, fact: _Fact) -> list[int]:
    name = "_".join(f"{fact.deed} {fact.thing}".split())
    number = draft.dice.randint(100, 999)
    places = []
    if draft.dice.random() < _SPREAD_SHARE:
        places.append(draft.add(f'SITE_{number} = ("{fact.place}", {fact.year})\n', ""))
        value = f"SITE_{number}"
    else:
        value = f'("{fact.place}", {fact.year})'
    body = (
        f"def {name}(ledger: list[tuple[str, int]]) -> None:\n"
        f'    """Written by {fact.person}."""\n'
        f"    ledger.append({value})\n"
    )
    return [*places, draft.add(body, "")]


def _mention(draft: _Draft, fact: _Fact) -> Callable[[], None]:
    """Return what names person and thing in the question's words and tells nothing."""

    def mention() -> None:
        if draft.kind == "code":
            draft.add(f"# {fact.person}: does the {fact.thing} belong here?\n", "")
        else:
            text = f"{fact.person} was asked about the {fact.thing} again and had no answer."
            draft.add(text, draft.dice.choice(draft.people))

    return mention


def _noise(draft: _Draft) -> None:
    dice = draft.dice
    if draft.kind == "code":
        number, steps = dice.randint(1, 999), dice.randint(1, 4)
        lines = [f"    value = value * {dice.randint(2, 99)} + 1\n" for _ in range(steps)]
        body = "".join(lines) + "    return value\n"
        draft.add(f"def step_{number}(value: int) -> int:\n{body}", "")
        return
    middles = dice.sample(FILLER_MIDDLES, dice.randint(0, 3))
    text = ", ".join([dice.choice(FILLER_STARTS), *middles]) + f" {dice.choice(FILLER_ENDS)}."
    if dice.random() < _SPREAD_SHARE:
        text = f"{dice.choice(draft.people)} said that {text[0].lower()}{text[1:]}"
    draft.add(text, dice.choice(draft.people))
