"""How often words of safety terms are in reviews: a term is looked for by its rarest word."""

from __future__ import annotations

RARE = 0.0005
"""Of all that are not named here."""


def _by_word(by_frequency: dict[float, str]) -> dict[str, float]:
    return {word: frequency for frequency, words in by_frequency.items() for word in words.split()}


IN_ENGLISH = _by_word(
    {
        1.0: """a and are for have i in is it my not of on that the this to with you""",
        0.2: """all an as at be can don't from get had if it's just like me no one out really so
            some them these they up very was when will would your""",
        0.1: """after because been by find first go got its made make need off over product then
            there too using way were who work""",
        0.05: """almost around back bad bag being big bit both box can't case coffee come could
            day definitely didn't doesn't down each every far feel found give going hard he
            high highly his into lot makes may might needed never old own people quite right
            see set should small stand thing through while without""",
        0.02: """amp anyone black body bottom brand break cable cables came care cd chip close
            comes control couldn't cut days deal design drink e easily eat electric fast
            fingers full gave gets getting gives hand head her him hold home isn't issue
            item itself kids kind left level life live making metal mine myself neck oil
            ones open original our pack package part pedal piece plastic plus point pop
            power products real received rock room salt second she short side someone start
            started stick strap super they're under unit us version wasn't water went year""",
        0.01: """across adapter apart aren't bar batteries battery bottle broke broken called car
            cause changing children clip cold coming completely daughter dead difficult dog
            dogs drinking due during dvd eating ended extremely face fall felt figure finger
            flat floor food four front giving green hair handle hands handy health hit holes
            horrible hot house huge husband inside lighter lock loose lost lots loud machine
            main material missing mix month nearly non notice oatmeal onto opened parts per
            person pieces plain please plug red rubber saw screw self sent service sets
            setting skin smell sold son sort straight straps stuck supply taking tea tension
            terrible tight totally touch trouble twice wait wall week white wife within wood""",
        0.005: """1st 2nd attack attention awful baby became bed begin bite blue boom bottles boy
            breaking breath bunch button chain child china chocolate clearly container
            contains copy cord covered cuts damage date death disc discovered ear edge eye
            eyes failed falling feet fell fill filled filling foot form girl glass gluten
            ground happen himself hits hole hurt im items lead listed locks loss male mark
            mentioned mid mild milk mom mouth nasty obviously pain phone points popped
            pressure produce produced released required response rice road rocks round safe
            sale scratch seller selling serious sharp shelf shot smells speed starts stomach
            stopped table taken teeth themselves third throughout throw tip total toy trip
            useless waiting war wire wrapped""",
        0.002: """3rd accident acid arm arms authentic axe bang bank becomes began belt bits blew
            blood blow bread breaks burn burnt buttons candy card carpet cat catch cats
            caught caused causes causing chemical chew closed closing con concern contain
            contained counter crack cracked da dad de degree develop developed die died
            difficulty direction driving ears edges eggs electrical era es everywhere fabric
            fail fails failure fake falls father finding fire flour fly formula frame gas
            genuine grand grew grow growing herself hip incredibly ingredient iron jar kid
            kill kitchen knock knocked la laptop leg legs lit marks met mother nail nose
            nuts obvious outlet pan passed patch peanut pink pot produces public pulled pump
            puppy raw ride risk route rush safety scratches seal seat sells shock shocked
            shoes sick snapped solo somebody spots staple static stone strip swing threw
            throwing thrown thumb tips tongue tree un underneath upset vet weren't wires y""",
        0.001: """adaptor al apartment apple article badly bare begins bench bike bin blade bless
            blind bloody blown blows bone bones bout bowl bpa burned burst cans carafe
            cartridge cereal chair charger chest circuit copies corner corners could've
            crash crushed dan dangerous dent department di dish disk dose dying el exposed
            fare fish flame fond furniture gate hammer headache horribly ill intense kettle
            killed kills lame leak leaks letter lid lip lips locked magnet meat melt melted
            melts memory mi mis motor mouse needle opens os oven packet palm petite pops
            potentially puffed rat razor reaction reactions scratched serial severe shoot
            shut slice sliced slipped smelled smelling smoke spark spoiled stink stones
            stool swallow terribly thumbs tightened tipping toddler toe tooth transformer
            tray um visit wheel wheels""",
    }
)
"""The shares of 7,400 English reviews of food, instruments and other products that have the word, in steps."""

IN_OTHERS = _by_word(
    {
        1.0: """al am auf aus be bei ci con d' da dans das de dem den der des di die du e el
            elle en er es est et fa gli ha ich if ihr il im ist je la las le les lo los me
            mi mich mir mis mit muy nach nicht non o ou para pas plus por pour que qui se si
            sie sind sont su très un' una und une uns very von war y your zu è 了 我 的""",
        0.1: """avec avoir baby bambina bambino bebé dog ein eine einen enfant fait fatto figlia
            figlio fille fils food haben hat hija hijo kein kinder niña niño ont sous sur
            tea un us water wird été 不是 中 书 人 去 吃 味 喝 在 大 小 手 把 没 用 给 自己 里 非""",
        0.02: """严重 发现 味道 孩子 宝宝 掉 摔 电池 线 脸 被""",
    }
)
"""Estimates for other languages."""
