"""How well a sentence of a review reads on a product page: about the product, in the third person, on its own."""

from __future__ import annotations

import re

from stream_app.steps.summary_text import content_words, stem, word_count

# Costs are in standard deviations of how central the product's sentences are (steps/product_text), so that one of 1
# outweighs the difference between a sentence that many reviews repeat and an average one.
_FIRST_PERSON_COST = 1.0  # each "I" or "my": what a shopper wants to know is said of the product
_MOST_FIRST_PERSON = 3  # further ones make it no worse
_FAMILY_COST = 1.0
_DANGLING_COST = 1.0
_POINTING_COST = 0.1
_QUESTION_COST = 0.5
_REMARK_COST = 2.0  # no statement about the product at all
_SHOUTED_COST = 0.5
_CUT_COST = 1.0
_PLAIN_COST = 0.3  # each content word less than _FEWEST_CONTENT_WORDS: "These are great." says too little
_FEWEST_CONTENT_WORDS = 4
_SHORT_COST = 1.0  # of one word or two, on top
_LOWER_CASE_COST = 0.2  # at the beginning of a sentence
_LONG_COST = 0.5  # for each _MORE_WORDS over _MOST_WORDS
_MOST_WORDS = 16
_MORE_WORDS = 10
_LONGEST = 2  # of these: still longer ones are rare, and cost what a story does

_FIRST_PERSON = re.compile(
    r"\b(?:i|i['’](?:m|ve|d|ll)|im|ive|me|my|mine|myself|we|we['’](?:ve|re|d|ll)|our|ours|us)\b|我|咱|俺|本人",
    re.IGNORECASE,
)
_FAMILY = re.compile(
    r"\b(?:husband|hubby|wife|sons?|daughters?|kids?|child(?:ren)?|mom|mum|mother|dad|father|parents?|sisters?|brothers?"
    r"|boyfriend|girlfriend|friends?|grand\w+|nephews?|nieces?|toddlers?|fianc[eé]+|roommates?|neighbou?rs?)\b"
    r"|老公|老婆|丈夫|妻子|儿子|女儿|孩子|宝宝|妈妈|爸爸|婆婆|老妈|老爸|父母|爸妈|朋友|同事|男友|女友|家人|侄",
    re.IGNORECASE,
)
# what it begins with points to a sentence before it
_DANGLING = re.compile(
    r"\W{0,9}(?:(?:and|but|or|nor|yet|also|however|therefore|thus|then|plus|besides|otherwise|instead|because|which|whereas"
    r"|either|neither|anyways?|again|another|others?|secondly|thirdly|finally|lastly|he|she|his|her|them|same|likewise"
    r"|that(?:['’]s)?|those|in addition|on the other hand|for (?:example|instance)|if so|if not|of course|not only that"
    r"|so (?:i|it|if|when|the|they|we|this|that|you|my|far)|(?:it|they|this|these)(?:['’]\w+)? (?:\w+ )?(?:also|too))\b"
    r"|so,|但|不过|而且|所以|因为|然后|另外|还有|而|并且|可是|虽然|其次|最后|总之|那|他|她|就是|也|又|再)",
    re.IGNORECASE,
)
# most often the product is meant, yet a name says more
_POINTING = re.compile(r"\W{0,9}(?:it|its|they|their|this|these)\b|\W{0,9}[这它]", re.IGNORECASE)
_REMARK = re.compile(
    r"https?:|www\.|\.com\b|\[(?:email|phone|iban|card|ssn|id)\]|\b(?:update|edit|edited|updated|p\.?s)\b\s*[:\-(]"
    r"|\b(?:hope this helps|thank(?:s| you)\b|these? reviews?|other reviews?|reviewers?"
    r"|my review|this review|(?:the|my) title|others? (?:have |has )?(?:said|mention\w*|stated)"
    r"|(?:five|four|three|two|one|[1-5]) stars?)\b|\*{2,}|_{3,}|={3,}"
    r"|谢谢|好评|差评|评论|评价|客服|追评",
    re.IGNORECASE,
)
_OF_NO_REASON = frozenset(
    map(
        stem,
        "shame pity bummer disappointed disappointing disappointment sad sorry regret bad "
        "terrible awful horrible worst hate love great good nice excellent perfect awesome amazing wonderful "
        "fantastic best happy pleased satisfied recommend like product purchase buy".split(),
    )
)
_RETURNED = re.compile(
    r"\W{0,9}(?:i |we )?(?:just |have |had to )?(?:return(?:ed)?|sen[dt]) (?:it|them|this)(?: back)?\W{0,9}",
    re.IGNORECASE,
)
_OF_NO_REASON_ZH = re.compile(
    r"[太真好很令让有点是非常人挺都还蛮超级特别我的给个]{0,8}"
    r"(?:可惜|失望|遗憾|后悔|不?好|不错|不?喜欢|不?满意|赞|棒|不?推荐|差|垃圾|退货|好评|差评)[了啊呀的哦呢吧]{0,3}"
)
_HEADLESS = re.compile(r"(?:is|are|was|were|for|of|with|to|from|by|than|as)\b", re.IGNORECASE)
_WORD_CHARACTERS = re.compile(r"\w+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_ENDS = re.compile(r"[.!?…。！？~～][\"'”’」』）)\]]*$")


def cost(text: str) -> float:
    """How much less a sentence is worth than a short statement about the product, in standard deviations; 0 or more."""
    words = word_count(text)
    plain = max(0, _FEWEST_CONTENT_WORDS - len(content_words(text)))
    most = min(_LONGEST, max(0, words - _MOST_WORDS) / _MORE_WORDS)
    return (
        _FIRST_PERSON_COST * min(_MOST_FIRST_PERSON, len(_FIRST_PERSON.findall(text)))
        + _FAMILY_COST * (_FAMILY.search(text) is not None)
        + _DANGLING_COST * is_dangling(text)
        + _POINTING_COST * (_POINTING.match(text) is not None)
        + _QUESTION_COST * ("?" in text or "？" in text)
        + _REMARK_COST * (_REMARK.search(text) is not None)
        + _SHOUTED_COST * (text.isupper() and words > 1)
        + _CUT_COST * (not is_complete(text))
        + _PLAIN_COST * plain
        + _SHORT_COST * (words < 3)
        + _LOWER_CASE_COST * text[:1].islower()
        + _LONG_COST * most
    )


def names_the_product(text: str) -> bool:
    """Does it begin with a capital or a digit, and not with "it" or "these"? Wanted of a headline."""
    return not text[:1].islower() and _POINTING.match(text) is None


def is_dangling(text: str) -> bool:
    """Does it begin with a word that points to a sentence before it ("That's physics", "But …", "It also …")?"""
    return _DANGLING.match(text) is not None


def is_headless(text: str) -> bool:
    """Does it begin with a form of "to be" or a preposition, as the end of a sentence does ("For a good price")?"""
    return _HEADLESS.match(text) is not None


def is_complete(text: str) -> bool:
    """Does it end as a sentence does, with closed brackets? A title in place of a sentence, or one cut, does not."""
    return _ENDS.search(text) is not None and text.count("(") == text.count(")")


def ended(text: str) -> str:
    """The sentence with a full stop where its writer left it out: another one may follow."""
    if not text[-1:].isalnum():
        return text
    return text + ("。" if _CJK.match(text[-1]) else ".")


def gives_no_reason(text: str) -> bool:
    """Does it praise or complain, and not say of what ("I love it.", "Such a shame!", "Returned it", "太失望了")?"""
    words = content_words(text)
    whole = "".join(_WORD_CHARACTERS.findall(text))
    if words and words <= _OF_NO_REASON:
        return True
    return _RETURNED.fullmatch(text) is not None or _OF_NO_REASON_ZH.fullmatch(whole) is not None
