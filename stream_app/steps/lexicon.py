"""Word lists: words without meaning of their own, words of praise, of blame, and of danger."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from ahocorasick_rs import BytesAhoCorasick, Implementation

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
# how the first words of all these begin: the slow patterns above and below are only tried there
_FIRST_WORDS = {re.split("[_-]", entry)[0] for words in _SAFETY.values() for entry in words.split()}
_BEGINNINGS = BytesAhoCorasick(
    [word.encode() for word in _FIRST_WORDS if not any(word.startswith(other) for other in _FIRST_WORDS - {word})],
    implementation=Implementation.DFA,
)
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
    kinds: dict[str, None] = {}
    encoded = _encoded(text)
    at = passed = 0
    for _, start, _ in _BEGINNINGS.find_matches_as_indexes(encoded.lower()):
        at += len(encoded[passed:start].decode(errors="surrogatepass"))
        passed = start
        found = _SAFETY_WORD.match(text, at)
        if not found or not found.lastgroup or found.lastgroup in kinds:
            continue
        if not _is_harmless(text, at):
            kinds[found.lastgroup] = None
    return tuple(kinds)


def may_speak_of_danger(texts: Sequence[str]) -> set[int]:
    """Which of the texts ``safety_words_in`` has to look at; it would find nothing in the others.

    One search for all of them: the library lets go of the interpreter's lock for each, other threads take it, and
    waiting for it takes longer than to search a text.
    """
    encoded = [_encoded(text) for text in texts]
    found = _BEGINNINGS.find_matches_as_indexes(b"\n".join(encoded).lower())
    if not found:
        return set()
    ends = list(accumulate(len(text) + 1 for text in encoded))
    return {bisect_right(ends, start) for _, start, _ in found}


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # whose lower() changes ASCII letters alone: nothing is moved


def _is_harmless(text: str, at: int) -> bool:
    start = max(0, at - _AROUND)
    if _BEFORE.search(text, start, at):
        return True
    around, at = text[start : at + _AROUND], at - start
    uses = (
        _HARMLESS_IN_LOWER_CASE.finditer(around.lower()) if around.isascii() else _HARMLESS_IN_ANY_CASE.finditer(around)
    )
    return any(use.start() <= at < use.end() for use in uses)
