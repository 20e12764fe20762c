"""Word lists: words without meaning of their own, words of praise, of blame, and of danger."""

from __future__ import annotations

import re
import string
from collections.abc import Set

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

# what must not be overlooked in a review, by kind; phrases are joined with _
_SAFETY = {
    "fire": "fire fires flame flames spark sparks sparked sparking explode explodes exploded exploding explosion",
    "smoke": "smoke smoked smokes smoking",
    "burn": """burn burns burned burnt burning scald scalds scalded scalding melt melts melted melting
        overheat overheats overheated overheating""",
    "shock": """electric_shock electric_shocks electrical_shock electrical_shocks shocked_me shocked_my
        electrocute electrocuted electrocution""",
    "injury": """injury injuries injured injure hurt_me hurt_my hurt_him hurt_her hurt_himself hurt_herself
        hospitalized hospitalised infection infections infected emergency_room stitches bleed bleeds bleeding bled""",
    "allergy": "allergy allergies allergic hives anaphylaxis anaphylactic swollen swelling",
    "choking": "choke chokes choked choking suffocate suffocated suffocating suffocation",
    "poison": """poison poisons poisoned poisoning poisonous toxic toxin toxins
        mold mould moldy mouldy maggot maggots""",
    "counterfeit": "counterfeit counterfeits fake fakes knockoff knock-off knock_off",
    "unsafe": """unsafe dangerous hazard hazards hazardous
        recalled recall_this recall_please recall_notice recall_letter""",
}
_SAFETY_WORD = re.compile(
    r"\b(?:"
    + "|".join(rf"(?P<{kind}>{'|'.join(words.split()).replace('_', ' ')})" for kind, words in _SAFETY.items())
    + r")\b",
    re.IGNORECASE,
)
# the first words of all these, and where they stand: the slow patterns above and below are only tried there
_FIRST_WORDS = {
    word: re.compile(rf"\b{word}\b", re.IGNORECASE)
    for words in _SAFETY.values()
    for word in (re.split("[_-]", entry)[0] for entry in words.split())
}
_ANY_FIRST_WORD = frozenset(_FIRST_WORDS)
_NOTHING: frozenset[str] = frozenset()
_NO_LETTERS = string.punctuation + "“”‘’„‚«»…–—。，！？、（）"
_TO_WORDS = str.maketrans(string.ascii_uppercase + _NO_LETTERS, string.ascii_lowercase + " " * len(_NO_LETTERS))
# the same for ASCII, as bytes: these are translated several times as fast. bytes.split knows less white space
_ASCII_FIRST_WORDS = frozenset(map(str.encode, _ANY_FIRST_WORD))
_ASCII_TO_WORDS = bytes(32 if chr(code).isspace() else _TO_WORDS.get(code, code) for code in range(128)).ljust(256)
# what takes the danger away again: said up to three words before, or a harmless use of the word
_BEFORE = re.compile(
    r"\b(?:no|not|never|without|nothing|hardly|free of|zero|(?:do|did|does|wo|is|was|have|has)n['’]t)\b"
    r"(?:\s+[\w'’]+){0,2}\s+$",
    re.IGNORECASE,
)
_HARMLESS = (
    r"fire (?:tv|stick|tablet|hd|kindle)|fire ?place|camp ?fire|fire[- ]?wire|smoke detector|"
    r"burn(?:s|ed|t|ing)? (?:calories|fat|cds?|dvds?|discs?|taste|flavou?r|toast|popcorn)|burning soles|"
    r"(?:tastes?|tasted|tasting)(?: \w+)? burn(?:t|ed)|heart ?burn|side ?burns|"
    r"smoked (?:salmon|paprika|meat|cheese|almonds?|flavou?r\w*)|smok(?:y|e) flavou?r|choke (?:it |them )?down|"
    r"fake (?:fur|leather|plants?|flowers?|nails?|lashes)|shock absorb\w+|melts? in (?:your|my|the) mouth|i recalled"
)
_HARMLESS_IN_LOWER_CASE = re.compile(_HARMLESS)  # five times as fast
_HARMLESS_IN_ANY_CASE = re.compile(_HARMLESS, re.IGNORECASE)


_AROUND = 40  # characters that are looked at before and after a word


def safety_words_in(text: str) -> tuple[str, ...]:
    """Kinds of danger that the text speaks of, in the order of first mention; negated and harmless uses don't count."""
    first_words = _first_words_in(text)
    if not first_words:
        return ()
    places = sorted(place.start() for word in first_words for place in _FIRST_WORDS[word].finditer(text))
    kinds: dict[str, None] = {}
    for at in places:
        found = _SAFETY_WORD.match(text, at)
        if not found or not found.lastgroup or found.lastgroup in kinds:
            continue
        if not _is_harmless(text, at):
            kinds[found.lastgroup] = None
    return tuple(kinds)


def _first_words_in(text: str) -> Set[str]:
    if text.isascii():
        words = text.encode().translate(_ASCII_TO_WORDS).split()
        found = _ASCII_FIRST_WORDS.intersection(words)
        return set(map(bytes.decode, found)) if found else _NOTHING
    return _ANY_FIRST_WORD.intersection(text.translate(_TO_WORDS).split())


def _is_harmless(text: str, at: int) -> bool:
    start = max(0, at - _AROUND)
    if _BEFORE.search(text, start, at):
        return True
    around, at = text[start : at + _AROUND], at - start
    uses = (
        _HARMLESS_IN_LOWER_CASE.finditer(around.lower()) if around.isascii() else _HARMLESS_IN_ANY_CASE.finditer(around)
    )
    return any(use.start() <= at < use.end() for use in uses)
