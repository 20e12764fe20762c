"""Sentences whose vectors say what a sentence does: praise a product, complain of it, or tell a story about its buyer.

A sentence of a review is compared with those of its language. They are written for this purpose, not taken from
reviews. To read another language, add its sentences here, and its encoder in models/embedder.py.
"""

from __future__ import annotations

from stream_app.records import value


@value
class Anchors:
    """``praise`` and ``complaint`` say something of a product that a shopper wants to know; ``story`` does not."""

    praise: tuple[str, ...]
    complaint: tuple[str, ...]
    story: tuple[str, ...]


ANCHORS = {
    "en": Anchors(
        praise=(
            "The quality is very good.",
            "It works well and is easy to use.",
            "It is comfortable and fits well.",
            "It looks beautiful.",
            "It tastes great.",
            "It is a good value for the price.",
            "The product is well made and sturdy.",
            "The battery lasts a long time.",
            "The sound is clear.",
            "This product is highly recommended.",
        ),
        complaint=(
            "The material feels cheap and thin.",
            "The product broke after a short time.",
            "The size is smaller than expected.",
            "It is difficult to assemble.",
            "The color is different from the picture.",
            "It does not work as advertised.",
            "It tastes bad.",
            "It is not worth the money.",
        ),
        story=(
            "I bought this for my husband for his birthday.",
            "I ordered it last week and it arrived on Monday.",
            "My daughter is seven years old.",
            "I have had several of these over the years.",
            "I was looking for something like this for a long time.",
            "I read the other reviews before I bought it.",
            "I don't know why it took me so long to buy one.",
            "We used it on our trip to Florida.",
            "I will update this review later.",
            "I am a size six and five feet tall.",
            "My old one finally died after ten years.",
            "I contacted the seller and asked for a refund.",
            "Hope this helps!",
            "I was skeptical at first.",
            "What more can I say?",
            "I usually use another brand.",
        ),
    ),
    "zh": Anchors(
        praise=(
            "质量很好，做工精细。",
            "用起来很方便，效果不错。",
            "穿着舒服，大小合适。",
            "样子很好看。",
            "味道很好。",
            "性价比很高，很划算。",
            "结实耐用。",
            "电池很耐用。",
            "声音清楚。",
            "值得推荐。",
        ),
        complaint=(
            "材料很薄，感觉廉价。",
            "用了几天就坏了。",
            "尺码偏小。",
            "很难安装。",
            "颜色和图片不一样。",
            "没有宣传的效果。",
            "味道很差。",
            "不值这个价钱。",
        ),
        story=(
            "这是给老公买的生日礼物。",
            "上周下的单，周一才到。",
            "我女儿今年七岁。",
            "这几年我买过好几个了。",
            "一直想买一个这样的。",
            "买之前看了很多评价。",
            "我们出去旅游的时候带上了。",
            "用一段时间再来追评。",
            "我身高一米六，体重一百斤。",
            "以前那个用了十年终于坏了。",
            "联系了客服要求退款。",
            "希望对大家有帮助。",
            "一开始我还有点怀疑。",
            "没什么好说的。",
        ),
    ),
}
