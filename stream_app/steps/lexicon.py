"""Word lists: words without meaning of their own, words of praise and of blame."""

from __future__ import annotations

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
