"""Word lists: words without meaning of their own, words of praise, of blame, and of danger."""

from __future__ import annotations

import re

STOP_WORDS = frozenset(
    """a about after again all almost also although always am an and another any are as at away back be because
    been before being both but by came can come could did do does doing done down each either else enough even
    ever every few for from get gets getting go goes going got had has have having he her here hers him his how
    however i i'd i'll i'm i've if in into is it it's its itself just let like made make makes many may me might
    more most much must my myself now of off oh ok on once one only onto or other others our out over own put
    quite rather really same say see she should since so some something still such take than that that's the
    their them then there these they they're this those though through till to too under until up upon us use
    used using very want was we we've well went were what when where which while who whom why will with within
    would yet you you'll you're you've your yours""".split()
)

NEGATIONS = frozenset(
    """no not never none nothing nobody neither nor without cannot can't don't doesn't didn't isn't wasn't aren't
    weren't won't wouldn't couldn't shouldn't hasn't haven't hadn't ain't hardly barely""".split()
)

POSITIVE_WORDS = frozenset(
    """amazing awesome beautiful best brilliant comfortable cute delicious delightful easy enjoyable excellent
    fabulous fantastic favorite favourite fine fun glad good gorgeous great handy happy impressed incredible
    love loved loves lovely nice outstanding perfect perfectly pleasant pleased reliable satisfied solid super
    superb sturdy tasty terrific useful wonderful worth yummy recommend recommended""".split()
)

NEGATIVE_WORDS = frozenset(
    """angry annoying avoid awful bad beware bland boring broke broken cheap cheaply complaint crap dead defective
    dirty disappointed disappointing disappointment disgusting fail failed fails failure faulty flimsy garbage
    gross hate hated horrible inedible junk lousy mediocre mess misleading nasty noisy overpriced pathetic poor
    poorly problem refund regret return returned returning rip ripoff rubbish sad sick smelly stale stopped
    terrible trash ugly unhappy unusable useless waste wasted weak worse worst worthless wrong""".split()
)

# what must not be overlooked in a review, by kind; each word also with the endings that it takes
_SAFETY = {
    "fire": r"fires?|on fire|caught fire|flames?|sparks?|sparked|sparking|explod(?:e|ed|es|ing)|explosion",
    "smoke": r"smok(?:e|ed|es|ing)",
    "burn": r"burn(?:s|ed|t|ing)?|scald(?:s|ed|ing)?|melt(?:s|ed|ing)?|overheat(?:s|ed|ing)?",
    "shock": r"electric(?:al)? shocks?|shocked me|electrocut(?:e|ed|ion)",
    "injury": r"injur(?:y|ies|ed|e)|hurt (?:me|my|him|her|himself|herself)|hospital|emergency room|stitches|"
    r"bleed(?:s|ing)?|bled",
    "allergy": r"allerg(?:y|ies|ic)|hives|anaphyla\w+|swollen|swelling",
    "choking": r"chok(?:e|ed|es|ing)|suffocat\w+",
    "poison": r"poison(?:s|ed|ing|ous)?|toxic|mou?ld|mou?ldy|maggots?|food poisoning",
    "counterfeit": r"counterfeits?|fakes?|knock-?off",
    "unsafe": r"unsafe|dangerous|hazard(?:s|ous)?|recall(?:ed)?",
}
# one of these stands in every text that any of the patterns finds; looking for them first is 50 times as fast
_SAFETY_ROOTS = (
    *("fire", "flame", "spark", "explo", "smok", "burn", "scald", "melt", "overheat", "shock", "electrocut", "injur"),
    *(
        "hurt",
        "hospital",
        "emergency",
        "stitches",
        "bleed",
        "bled",
        "allerg",
        "hives",
        "anaphyla",
        "swollen",
        "swelling",
    ),
    *("chok", "suffocat", "poison", "toxic", "mold", "mould", "maggot", "counterfeit", "fake", "knock", "unsafe"),
    *("dangerous", "hazard", "recall"),
)
_SAFETY_WORD = re.compile("|".join(rf"(?P<{kind}>\b(?:{words})\b)" for kind, words in _SAFETY.items()), re.IGNORECASE)
# what takes the danger away again: said up to three words before, or a harmless use of the word
_BEFORE = re.compile(
    r"(?:\b(?:no|not|never|without|don't|didn't|doesn't|won't|isn't|wasn't|nothing|hardly|free of|zero)\b)"
    r"(?:\s+[\w'’]+){0,2}\s+$",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"fire (?:tv|stick|tablet|hd|kindle)|fire ?place|camp ?fire|fire[- ]?wire|smoke detector|"
    r"burn(?:s|ed|ing)? (?:calories|fat|cds?|dvds?)|burning soles|heart ?burn|side ?burns|"
    r"smoked (?:salmon|paprika|meat|cheese|almonds?|flavou?r\w*)|smok(?:y|e) flavou?r|"
    r"fake (?:fur|leather|plants?|flowers?|nails?|lashes)|shock absorb\w+|melts? in (?:your|my|the) mouth",
    re.IGNORECASE,
)


def safety_words_in(text: str) -> tuple[str, ...]:
    """Kinds of danger that the text speaks of, in the order of first mention; negated and harmless uses don't count."""
    lower = text.lower()
    if not any(root in lower for root in _SAFETY_ROOTS):
        return ()
    kinds: dict[str, None] = {}
    harmless: list[tuple[int, int]] | None = None
    for found in _SAFETY_WORD.finditer(text):
        if harmless is None:
            harmless = [match.span() for match in _HARMLESS.finditer(text)]
        inside = any(start <= found.start() < end for start, end in harmless)
        if found.lastgroup and not inside and not _BEFORE.search(text, max(0, found.start() - 40), found.start()):
            kinds[found.lastgroup] = None
    return tuple(kinds)
