import numpy as np
from hypothesis import strategies as st

from tierfold.text.table import NO_FRAME, Frames, Joint, Kind, Role, UnitTable

LINES = """
budget Budget council school Wales railway getUserName HTTPServer x1 2024-05-21 10:30 3.5 the of
? { [ Москва рельсы école größe 東京都 ไทยแลนด์ हिन्दी كتاب --
"""
WORDS = (*LINES.split(), "\x00", "\n")


def table(
    texts: list[str],
    *,
    groups: list[int] | None = None,
    titles: tuple[str, ...] = (),
    roles: list[int] | None = None,
    kind: Kind = Kind.PROSE,
) -> UnitTable:
    count = len(texts)
    ends = np.cumsum([len(text) for text in texts], dtype=np.int32)
    none = np.zeros(0, dtype=np.int32)
    return UnitTable(
        text="".join(texts),
        start=np.append(0, ends[:-1]).astype(np.int32)[:count],
        end=ends,
        tokens=np.array([1 + len(text) // 4 for text in texts], dtype=np.int32),
        block=np.array(groups or [0] * count, dtype=np.int32),
        group=np.array(groups or [0] * count, dtype=np.int32),
        role=np.array(roles or [Role.NONE] * count, dtype=np.int8),
        kind=np.full(count, kind, dtype=np.int8),
        joint=np.full(count, Joint.TEXT, dtype=np.int8),
        pinned=np.zeros(count, dtype=np.bool_),
        framing=np.zeros(count, dtype=np.bool_),
        frame=np.full(count, NO_FRAME, dtype=np.int32),
        frames=Frames(parent=none, tokens=none, pinned=np.zeros(0, dtype=np.bool_)),
        titles=titles,
    )


def head(units: UnitTable, count: int) -> UnitTable:
    """The first units of a table, as it was before the others were appended."""
    texts = [units.unit(index) for index in range(count)]
    return table(
        texts,
        groups=units.group[:count].tolist(),
        titles=units.titles[: int(units.group[:count].max(initial=-1)) + 1],
        roles=units.role[:count].tolist(),
        kind=Kind(int(units.kind[0])) if len(units) else Kind.PROSE,
    )


texts = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


@st.composite
def tables(draw: st.DrawFn, least: int = 0) -> UnitTable:
    content = draw(st.lists(texts, min_size=least, max_size=12))
    count = len(content)
    steps = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    groups = np.cumsum([bool(index and step) for index, step in enumerate(steps)]).tolist()
    titles = draw(st.lists(texts, min_size=count, max_size=count))
    roles = draw(
        st.one_of(
            st.just([0] * count),
            st.lists(st.sampled_from(list(map(int, Role))), min_size=count, max_size=count),
        ),
    )
    return table(
        content,
        groups=[int(group) for group in groups],
        titles=tuple(titles[: (max(groups) + 1) if groups else 0]),
        roles=roles,
        kind=draw(st.sampled_from([Kind.PROSE, Kind.CODE, Kind.DIALOGUE])),
    )
