"""Needles in several languages, written from templates, to see relevance work beyond English.

python -m benchmarks.needles
"""

import random
from dataclasses import dataclass

import numpy as np

from tierfold.relevance import WorkingSet, rank_balanced, rank_fast
from tierfold.text.table import NO_FRAME, Frames, Joint, Kind, UnitTable

UNITS = 60
NEEDLES = 25
KEPT_SHARE = 0.1
_SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """Sentences of one language; {p} is a person, {t} a thing, {w} a place."""

    people: tuple[str, ...]
    things: tuple[str, ...]
    places: tuple[str, ...]
    facts: tuple[str, ...]
    question: str
    filler: tuple[str, ...]


LANGUAGES = {
    "English": Language(
        people=("Anna", "Boris", "Clara", "David", "Emma", "Felix"),
        things=("passport", "umbrella", "telescope", "violin", "ladder", "compass"),
        places=("in the cellar", "in the garage", "under the stairs", "behind the curtain"),
        facts=("{p} keeps the {t} {w}. ", "The {t} that {p} borrowed lies {w}. "),
        question="Where does {p} keep the {t}?",
        filler=("It rained all morning. ", "The neighbours painted their fence green. "),
    ),
    "German": Language(
        people=("Anna", "Boris", "Clara", "David", "Emma", "Felix"),
        things=("Reisepass", "Regenschirm", "Fernrohr", "Werkzeugkasten", "Mantel", "Kompass"),
        places=("im Keller", "in der Garage", "unter der Treppe", "hinter dem Vorhang"),
        facts=("{p} bewahrt den {t} {w} auf. ", "Der {t}, den {p} geliehen hat, liegt {w}. "),
        question="Wo bewahrt {p} den {t} auf?",
        filler=("Es regnete den ganzen Morgen. ", "Die Nachbarn strichen ihren Zaun grün. "),
    ),
    "Russian": Language(
        people=("Анна", "Борис", "Клара", "Давид", "Мария", "Николай"),
        things=("паспорт", "зонт", "телескоп", "альбом", "чемодан", "компас"),
        places=("в подвале", "в гараже", "под лестницей", "за шкафом"),
        facts=("{p} хранит свой {t} {w}. ", "Старый {t}, о котором говорит {p}, лежит {w}. "),  # noqa: RUF001
        question="Где {p} хранит {t}?",
        filler=("Всё утро шёл дождь. ", "Соседи покрасили забор в зелёный цвет. "),
    ),
    "Chinese": Language(
        people=("王伟", "李娜", "张敏", "刘洋", "陈静", "赵磊"),
        things=("护照", "雨伞", "望远镜", "小提琴", "梯子", "指南针"),
        places=("地下室里", "车库里", "楼梯下面", "窗帘后面"),
        facts=("{p}把{t}放在{w}。", "{p}借来的{t}在{w}。"),
        question="{p}的{t}放在哪里？",  # noqa: RUF001
        filler=("整个早上都在下雨。", "邻居把篱笆漆成了绿色。"),
    ),
    "Japanese": Language(
        people=("田中", "佐藤", "鈴木", "高橋", "渡辺", "山本"),
        things=("パスポート", "雨傘", "望遠鏡", "バイオリン", "はしご", "方位磁石"),
        places=("地下室", "車庫", "階段の下", "カーテンの後ろ"),
        facts=("{p}さんは{t}を{w}にしまっています。", "{p}さんが借りた{t}は{w}にあります。"),
        question="{p}さんの{t}はどこにしまってありますか？",  # noqa: RUF001
        filler=("朝からずっと雨が降っていました。", "隣の人が柵を緑色に塗りました。"),
    ),
    "Arabic": Language(
        people=("أحمد", "ليلى", "يوسف", "مريم", "خالد", "سلمى"),
        things=("جواز", "مظلة", "تلسكوب", "كمان", "سلم", "بوصلة"),
        places=("في القبو", "في المرآب", "تحت الدرج", "خلف الستارة"),
        facts=("يحتفظ {p} بال{t} {w}. ", "ال{t} الذي استعاره {p} موجود {w}. "),
        question="أين يحتفظ {p} بال{t}؟",
        filler=("هطل المطر طوال الصباح. ", "طلى الجيران سياجهم باللون الأخضر. "),
    ),
    "Hindi": Language(
        people=("राहुल", "प्रिया", "अमित", "सीता", "विजय", "मीरा"),
        things=("पासपोर्ट", "छाता", "दूरबीन", "वायलिन", "सीढ़ी", "कंपास"),
        places=("तहखाने में", "गैराज में", "सीढ़ियों के नीचे", "पर्दे के पीछे"),
        facts=("{p} अपना {t} {w} रखता है। ", "{p} का उधार लिया {t} {w} पड़ा है। "),
        question="{p} अपना {t} कहाँ रखता है?",
        filler=("सुबह भर बारिश होती रही। ", "पड़ोसियों ने अपनी बाड़ हरी रंग दी। "),
    ),
}


def table_of(texts: list[str], tokens: list[int]) -> UnitTable:
    """Make each text one unit of prose."""
    ends = np.cumsum([len(text) for text in texts], dtype=np.int32)
    count = len(texts)
    none = np.zeros(0, dtype=np.int32)
    flags = np.zeros(count, dtype=np.bool_)
    return UnitTable(
        text="".join(texts),
        start=np.append(0, ends[:-1]).astype(np.int32),
        end=ends,
        tokens=np.array(tokens, dtype=np.int32),
        block=np.zeros(count, dtype=np.int32),
        group=np.zeros(count, dtype=np.int32),
        role=np.zeros(count, dtype=np.int8),
        kind=np.full(count, Kind.PROSE, dtype=np.int8),
        joint=np.full(count, Joint.TEXT, dtype=np.int8),
        pinned=flags,
        framing=flags,
        frame=np.full(count, NO_FRAME, dtype=np.int32),
        frames=Frames(parent=none, tokens=none, pinned=flags[:0]),
    )


def haystack(language: Language, dice: random.Random) -> tuple[list[str], int, str]:
    """Write one text: its sentences, the place of the needle, and the question for it."""
    person, thing = dice.choice(language.people), dice.choice(language.things)
    texts: list[str] = []
    while len(texts) < UNITS - 1:
        other, another = dice.choice(language.people), dice.choice(language.things)
        if dice.random() < 0.5:  # noqa: PLR2004 - half of it
            texts.append(dice.choice(language.filler))
        elif (other, another) != (person, thing):
            template = dice.choice(language.facts)
            texts.append(template.format(p=other, t=another, w=dice.choice(language.places)))
    place = dice.randrange(UNITS)
    needle = language.facts[0].format(p=person, t=thing, w=dice.choice(language.places))
    texts.insert(place, needle)
    return texts, place, language.question.format(p=person, t=thing)


def recall(language: Language, *, stage: str) -> float:
    """Return the share of needles kept in KEPT_SHARE of the sentences."""
    dice = random.Random(_SEED)
    found = 0
    for _ in range(NEEDLES):
        texts, place, question = haystack(language, dice)
        working = WorkingSet.build(table_of(texts, [10] * len(texts)))
        ranking = rank_fast(working, question)
        if stage == "balanced":
            ranking = rank_balanced(working, question, ranking)
        best = np.argsort(-ranking.probability, kind="stable")[: int(KEPT_SHARE * UNITS)]
        found += place in best
    return found / NEEDLES


def main() -> None:
    """Print recall by language and stage."""
    for name, language in LANGUAGES.items():
        figures = "  ".join(f"{s} {recall(language, stage=s):.2f}" for s in ("fast", "balanced"))
        print(f"{name:10} {figures}")


if __name__ == "__main__":
    main()
