"""What the card says, in each of its languages, and which of them a reader wants."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Customer reviews",
        "of_stars": "{stars} of 5 stars",
        "stars_row": "{star} stars",
        "star_row": "1 star",
        "out_of": "out of 5",
        "review": "1 review",
        "reviews": "{n} reviews",
        "no_stars": "No stars yet",
        "no_reviews": "No reviews yet",
        "praise": "What customers praise",
        "complaints": "What customers complain of",
        "few": "Only {n} so far: too few to judge the product by.",
        "stale": "Reviews are being counted again; the numbers may be incomplete.",
        "disclosure": "Written by a machine from customers' reviews.",
        "read_by_machine": "A machine read the reviews to sort praise from complaints; it can be wrong.",
        "flag": "Report this text",
        "thousands": ",",
    },
    "zh": {
        "title": "顾客评价",
        "of_stars": "{stars} 星(满分 5 星)",
        "stars_row": "{star} 星",
        "star_row": "1 星",
        "out_of": "满分 5 星",
        "review": "1 条评价",
        "reviews": "{n} 条评价",
        "no_stars": "暂无星级",
        "no_reviews": "暂无评价",
        "praise": "顾客称赞",
        "complaints": "顾客抱怨",
        "few": "目前只有{n},不足以判断该商品。",
        "stale": "评价正在重新统计,数字可能不完整。",
        "disclosure": "由机器根据顾客评价生成。",
        "read_by_machine": "称赞与抱怨由机器阅读评价后区分,可能有误。",
        "flag": "举报此内容",
        "thousands": ",",
    },
}


def language_of(asked: str | None, accept_language: str) -> Language:
    """``asked``: as in ``?lang=zh-CN``. Where it names none of ours, the one that the header prefers; else English."""
    return _ours(asked or "") or _preferred(accept_language) or "en"


def _ours(tag: str) -> Language | None:
    primary = tag.strip().partition("-")[0].lower()
    return next((one for one in LANGUAGES if one == primary), None)


def _preferred(accept_language: str) -> Language | None:
    """The first of the most preferred ones (RFC 9110 12.5.4). What is no weight counts as 0."""
    best: tuple[float, Language] | None = None
    for part in accept_language[:200].split(","):
        tag, _, parameters = part.partition(";")
        language, weight = _ours(tag), _weight(parameters)
        if language and weight > (best[0] if best else 0):
            best = weight, language
    return best[1] if best else None


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
