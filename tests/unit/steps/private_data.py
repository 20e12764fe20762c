"""A labelled set for masking: sentences of reviews with personal data in them, and with what only looks like it.

``python -m tests.unit.steps.private_data`` prints how `mask` does on it, as docs/personal-data.md reports.
Numbers and addresses are made up, or published as examples: 555-01xx and Ofcom's numbers for drama, test cards of the card
networks, accounts of the IBAN registry, identity numbers of textbooks.
"""

# ruff: noqa: E501

from __future__ import annotations

from itertools import cycle

from stream_app.steps.privacy import mask

PHONES = """
5551234567|9876543210|07911123456|0044 7911 123456|06 12 34 56 78|+49 171 5551234|+1 (704) 555-0142|(704)674-1507
704-555-0142|704.555.0142|704 555 0142|020 7946 0958|0171/5551234|13812345678|138 1234 5678|+86 138 1234 5678
+44 7911 123456|+447911123456|0049 171 5551234|0033 6 12 34 56 78|+33 6 12 34 56 78|+33612345678|0612345678|06.12.34.56.78
06-12-34-56-78|01 42 68 53 00|+39 347 123 4567|+39 06 6982 1234|+34 612 345 678|0034 612 34 56 78|+34 91 123 45 67
+91 98765 43210|98765 43210|+91-9876543210|919-555-0187|(212) 555-0199|212-555-0123|+1-212-555-0123|1-800-555-0199
+1 800 555 0199|415.555.0132|4155550132|(415)5550132|6175550111|617 555 0111|+61 412 345 678|0412 345 678|0061 412 345 678
+64 21 123 4567|021 123 4567|+81 90-1234-5678|090-1234-5678|03-1234-5678|+82 10-1234-5678|010-1234-5678|+65 8123 4567
+60 12-345 6789|+55 11 91234-5678|+52 55 1234 5678|+27 82 123 4567|082 123 4567|+90 532 123 45 67|0532 123 45 67|+7 912 345-67-89
+380 50 123 4567|+48 512 345 678|+31 6 12345678|06-12345678|0031 6 12345678|+32 470 12 34 56|0470 12 34 56|+41 79 123 45 67
079 123 45 67|0041 79 123 45 67|+43 664 1234567|0664 1234567|+46 70-123 45 67|070-123 45 67|+47 412 34 567|+45 20 12 34 56
+358 40 1234567|040 1234567|+353 85 123 4567|085 123 4567|+351 912 345 678|+30 691 234 5678|+420 601 123 456|+972 50-123-4567
030 12345678|089/12345678|0221-1234567|0151 12345678|01512 3456789|01632 960123|0161 496 0123|020 79460958|07700 900123
07700900456|+447700900789|0808 157 0192|555-0142|555-0199|７０４-555-0142|１３８１２３４５６７８|704‑555‑0142|704–555–0142
(０２０) 7946 0958|＋49 171 5551234|٠٥٠١٢٣٤٥٦٧
""".replace("\n", "|")

MAILS = """
jane.doe+shop@mail.example.com|jane@example.com|j_doe99@example.co.uk|info@müller.de|jürgen@müller.de|jane@example.museum
JANE@EXAMPLE.COM|a@b.io|first.last@sub.domain.example.org|jane-doe@example-shop.net|x.y.z@example.fr|kundenservice@beispiel.de
contacto@ejemplo.es|ventas@tienda.com.mx|support@loja.com.br|help@example.in|jane@xn--mller-kva.de|o.brien@example.ie
jane%40example.com|jane.doe%40mail.example.co.uk|Jane%40Example.Com|jane＠example.com|jane.doe＠example.co.jp|jane﹫example.com
почта@пример.рф|иван.петров@почта.рф|用户@例子.中国|客服@商店.公司|info@例え.jp|δοκιμή@παράδειγμα.ελ|ผู้ใช้@ตัวอย่าง.ไทย
사용자@예시.한국|müller@öbb.at|josé.garcía@correo.es|françois@société.fr|user@παράδειγμα.gr|anna@пример.com|12345@qq.com
wang.wei@163.com|li@126.com|jane_doe@yahoo.co.jp|me.and.you@gmail.com|buyer2024@outlook.com|the.real.jane@protonmail.com
sales@shop.example.store|n@example.travel|jane+reviews@gmail.com|bob.smith@company.example.com|maria@exemplo.pt
hans.meier@beispiel.ch|luigi.rossi@esempio.it|lotte@voorbeeld.nl|jan.kowalski@przyklad.pl|ola@eksempel.no|kari@esimerkki.fi
""".replace("\n", "|")

IBANS = """
DE89 3704 0044 0532 0130 00|DE89370400440532013000|de89 3704 0044 0532 0130 00|de89370400440532013000|DE89-3704-0044-0532-0130-00
GB29NWBK60161331926819|GB29 NWBK 6016 1331 9268 19|gb29 nwbk 6016 1331 9268 19|GB82-WEST-1234-5698-7654-32|gb82west12345698765432
FR14 2004 1010 0505 0001 3M02 606|FR1420041010050500013M02606|fr1420041010050500013m02606|ES91 2100 0418 4502 0005 1332
ES9121000418450200051332|IT60 X054 2811 1010 0000 0123 456|IT60X0542811101000000123456|it60x0542811101000000123456
NL91 ABNA 0417 1643 00|NL91ABNA0417164300|nl91-abna-0417-1643-00|BE68 5390 0754 7034|BE68539007547034|CH93 0076 2011 6238 5295 7
CH9300762011623852957|AT61 1904 3002 3457 3201|AT611904300234573201|PL61 1090 1014 0000 0712 1981 2874|SE45 5000 0000 0583 9825 7466
NO93 8601 1117 947|DK50 0040 0440 1162 43|FI21 1234 5600 0007 85|PT50 0002 0123 1234 5678 9015 4|IE29 AIBK 9311 5212 3456 78
LU28 0019 4006 4475 0000|CZ65 0800 0000 1920 0014 5399|GR16 0110 1250 0000 0001 2300 695|TR33 0006 1005 1978 6457 8413 26
SA03 8000 0000 6080 1016 7519|AE07 0331 2345 6789 0123 456
""".replace("\n", "|")

CARDS = """
4111 1111 1111 1111|4111-1111-1111-1111|4111111111111111|5500 0000 0000 0004|5555555555554444|5105 1051 0510 5100|378282246310005
3782 822463 10005|371449635398431|6011 1111 1111 1117|6011000990139424|3530111333300000|3566 0020 2036 0505|30569309025904
3056 930902 5904|38520000023237|4012888888881881|4012-8888-8888-1881|4242 4242 4242 4242|4000056655665556|2223003122003222
2223 0031 2200 3222|5200828282828210|6200000000000005|6200 0000 0000 0005|4000002500003155|５５５５５５５５５５５５４４４４
4242‑4242‑4242‑4242|4917610000000000|6304000000000000
""".replace("\n", "|")

SSNS = """
123-45-6789|219-09-9997|457-55-5461|536-22-8726|001-01-0001|212 09 7694|306-30-8876|078 05 1121|415-22-9310|574 68 1902
622-18-4407|733-10-2468|305 44 1290|519-82-6630|401-77-3051
""".replace("\n", "|")

CHINESE_IDS = "11010519491231002X|110105199003071239"

_FRAMES = {
    "[phone]": (
        "Great kettle. Call me on {} if you want mine.",
        "The seller never answered, my number is {}.",
        "whatsapp {} for the same one cheaper!!!",
        "{} call anytime",
        "Ring {} and ask for Jane, she will explain.",
        "Service says to phone {}, nobody picks up.",
        "You can reach me at {} after six.",
        "Text {} for photos of the damage",
    ),
    "[email]": (
        "Write to {} for pictures.",
        "Contact {} they never answer",
        "my mail is {}, please refund me.",
        "Sent three messages to {} without an answer!",
        "({})",
    ),
    "[iban]": ("My IBAN is {} for the refund.", "refund to {} please", "Konto {}, danke.", "They wanted money on {} first."),
    "[card]": ("My card {} was charged twice.", "They charged {} without asking", "paid with {} and got nothing."),
    "[ssn]": ("They asked for my social security number, {}, for a warranty!", "my ssn is {} lol", "who needs {} for a toaster"),
    "[id]": ("身份证{}被要求了。",),
}  # fmt: skip

_LOOK_ALIKES = """
It cost $1,299.00 instead of $1,499.00.|Paid 1.299,00 € (or 1299.00).|Was 2500000 rupees, now 1999.|¥12,800 well spent|I paid £1,049.99 for it
Rs. 9876543 for a car is fine|$ 5551234567 would not be enough|costs 1 299,00 €|1200000000 IDR|only 19.99 - 24.99|price dropped from 1,000,000 to 999,999
Paid 49.90, 59.90 and 69.90 EUR|at 3.99/100g|199 - 299 dollars|12 for 1200 yen|€5000000000 company|saved 30% on 2 x 149.95|total 1 234 567,89 kr
it was 129 99 cents|between 400 and 500 bucks|cost me 3 500 zloty
Bought on 2026-05-01.|again on 01.05.2026|since 05/01/2026|On 1-2-2026 it broke.|2026/05/01 12:30:45|01.05.2026 10:30 delivered|delivered 2026-05-01 09:15
used 2019-2026|Open 10:00-18:30, 24/7|made in 04/2024, exp 10/2028|from 01.02.03 on|on 20260501 it arrived|Best before 31.12.2027 12|17.03.2026 - 24.03.2026
Ordered 3/4/26, came 3/9/26|1999-2000-2001 were good|on 12 05 2026 they said|24.12.2025 08:00 Uhr|between 2026-01-01 and 2026-02-01|at 2026-05-01T10:00:00Z|01-05-2026 22:15
it took from 09.00 to 17.30|Feb 29 2024 10 20 30|lasted 365 days 24 hours 60 minutes
The WH-1000XM4 is better.|the RTX 4090 and 5090|an 18650 cell, or 21700|part 900-1023-A|Model 345-1234 of 200-4000 made|the DCB115-XJ and DCB118|CR2032 2025 2016 batteries
iPhone 15 Pro Max 1TB|LG OLED65C34LA.AEU|Canon 5D 24-105|A1706 13 inch 2017|Intel 13900K 5800 MHz|item 4006381333|model 9876543210|Model no. 5551234567 is the old one
part number 704-555-0142-B|the 555-timer and 741 opamp|ES-335 1959 reissue|Type 2 32A 22kW 400V|M8x1.25x30 bolts|a 6204-2RS and 6305-ZZ|DDR5-6000 CL30-36-36-96|Fender 099-0810-000 strings
filter 90 92 94 96|H7 55W 12V 4300K|T-34 1942|model 32-55-1120|SKU 619 659 1614|serial 5551234567 was scratched off|S/N 0123456789AB|the 2025-2026 model 1000
a Dremel 4000-6/128|Makita 18V 5.0Ah BL1850B|XR-2206CP|74HC595 and 74LS00|ref 5500 0000|Nikon 70-200 2.8|Yamaha P-125 88 keys|a 303-30 scope|The 12345678-9 screw set
size 32x34|1920x1080 at 144|fits 10 20 30 40 50|80 x 200 x 18 cm|sizes 36-38-40-42-44|it is 12 345 678 steps|waist 28 30 32 34 36|90 60 90 they say|205/55 R16 91V|195 65 15 tyres
1200x800x750 mm|measures 15.5 x 10.2 x 3.1|0.5 0.7 0.9 mm leads|Length 100 110 120 130 140|6' 2" 180 lbs|42 44 46 48 50 52|10-12-14-16-18|2 400 000 mm²|30 000 to 40 000 hours
from 400-1200 watts|100 000 000 cycles|3.141592653|pH 6.5 - 7.5|-40 - 125 degrees|0.001 0.002 0.003|5000000000 bytes free|4000000000 pixels|500000000 rows
I gave 10 20 30 40 50 60 and +100 points|5+10 and 1 2 3 4 5 6 7 8 9|1 2 3 4 5 6 7 8 9 10 times|10-9-8-7-6-5-4-3-2-1 go|100-200-300 reps|1000 2000 3000 steps|8 000 000 000 people|won 3-0 2-1 4-3|a 10 of 10 and 100 of 100
1-2-3-4-5-6-7|sets of 12 10 8 6 4|120 150 180 220 320 grit|60 80 120 240 400|levels 1-10 11-20 21-30|45 90 135 180 degrees|2 4 6 8 who|100 101 102 103|I have 5 4 3 2 1 left|level 1000 of 2000 of 3000
ISBN 978-3-16-148410-0|EAN 4006381333931|UPC 012345678905|ISBN 0306406152|isbn 9780306406157|ASIN 0451524934 is out|barcode 5012345678900|GTIN 00012345600012|EAN-13: 5901234123457
Order 123-1234567-1234567 came late|order 5551234567 was lost|order number 9876543210|Order #2065550123|Order no. 0612345678|tracking 1Z999AA10123456784|tracking number 9400111899223100001234|tracking 00340434161094042557|DHL 003404341610 lost
ticket 2065550143 open|invoice 4155550187 wrong|case 6175550100 closed|bestellung 0301234567 kam nie|Bestellnummer 02212345678|pedido 612345678 perdido|commande 0612345678 jamais reçue|订单 13812345678 没到|batch 07911123456
lot 0123456789 recalled|serial number 0987654321|IMEI 490154203237518|build 2212345678|firmware 0301020304|reference 020 7946 0000|ref. 07700900123|item 98765 43210|ID 9998887776
version 10.0.19045.3803|at 192.168.100.200|IP 10.0.0.1 port 8080|v2.10.33.104 works|MAC 00-1B-44-11-3A-B7|GPS 40.712776, -74.005974|48.8566 2.3522 north|0x1F4 0x2A0 registers|Windows 11 23H2 22631.3007
hash 3f786850e387550f|ISO 9001:2015 certified|IP67 1000 hours|EN 71-1-2-3 tested|RAL 9010 9016 7016|CAS 7732-18-5|DIN 912 8.8 M6|ASTM F963-17|PN 4400-1200-3300 fits|AS/NZS 4417.1 2012
@home I love it|me @ work|50% @ night|follow @shop.example|two @ 9.99|made@2024|@@@|Price@Quality ratio|3 @ 4|a@b|me@home all day|look @ example.com|best @gmail ever|cats@dogs.|50%40 off
4111 1111 1111 1112 is no card|DE88370400440532013000 no account|GB00WEST12345698765432|4242 4242 4242 4241|378282246310006 wrong|5555555555554445|1234 5678 9012 3456|0000 0000 0000 0000|9111 1111 1111 1111
000-12-3456 is none|666-12-3456 neither|900-45-6789 nor this|part 123-45-6789|123-00-6789|123-45-0000|model 219-09-9998|SKU 457-55-5462|item 536-22-8726|987-65-4320
110105194912310021 is no id|123456789012345678|11010519491331002X
Took 1 000 000 photos|uses 0.05 kWh per 24 h|0201 hex|for 12-18 months, 3-5 years|from 1 800 to 2 200 rpm|RPM 1200 1800 2400|2 to 4 to 8 players|a 2021-2022-2023 tour|Zip 90210-1234|at 221B Baker St, NW1 6XE
It holds 3,000 songs|5 sets of 12 x 100|seats 400 to 600|ages 3-5-7|about 0.3-0.5-0.7 bar|uses 2 AA, 4 AAA, 1 CR2032|fits 2010 2011 2012 2013 Civics|bought 3 in 2019, 4 in 2020 and 5 in 2021|12 34 56 lottery numbers|answer 42 42 42 42
from 0-60 in 3.2|0 to 100 000 km|at 35 000 feet 800 km/h|runs 1000 - 1500 - 2000 m|kcal 120 240 360|0.75 l 1.5 l 3 l|nuts 200 g 400 g 800 g|proof 80 90 100|20 oz, 32 oz, 64 oz|12 pack of 16.9|pack of 24 x 330|roast 3 of 5|expires 12 2027|bag 1 of 12 of 24
strings 10-13-17-26-36-46|gauge 009 011 016 024w 032 042|tuned 440 to 432|frets 1-3-5-7-9-12|a 25.5 inch scale, 22 frets|pickups 8.2k 7.9k 6.5k|pots 250k 500k|caps 0.022 0.047|tubes 12AX7 6L6 EL34|reverb 0 to 10, gain 0 to 12
dress 8 10 12 14|size 00 0 2 4|36C 34D 38B|5'4" 125 lbs|inseam 30 32 34|washed 20 30 40 degrees|100% 95/5 cotton|petite 00P 0P 2P|waist 27 28 29|I am 5 7 and 140|ordered 6, 8 and 10|from 2X to 4X|cups 70 75 80 85|it lost 3 of 8 buttons
I rate it 4.5/5 and 9/10|3,5 of 5 stars (1.234 reviews)|1st 2nd 3rd 4th|twice in 2024, thrice in 2025|a 2 in 1|1:1 copy|24h 7d 365d|100% 50% 25%|8 GB 16 GB 32 GB|4K 8K 120Hz|3 of 4 arrived, 1 of 4 broke|0.1 + 0.2 = 0.30000000000000004
2 kg 300 g 20 mg|1/4 1/2 3/4 inch|90° 180° 270°|12V 24V 48V|$5 off $50|round 1 2 3 fight|Chapter 11 12 13 14|pages 100-110 and 200-220|verses 3:16 4:20|bpm 120 128 140 174|440 880 1760 Hz
""".replace("\n", "|")


def _listed(text: str) -> list[str]:
    return [one for one in text.split("|") if one]


def positives() -> list[tuple[str, str, str]]:
    """(sentence with personal data, the sentence as it should be, its placeholder)."""
    kinds = {"[phone]": PHONES, "[email]": MAILS, "[iban]": IBANS, "[card]": CARDS, "[ssn]": SSNS, "[id]": CHINESE_IDS}
    sentences = []
    for kind, values in kinds.items():
        frames = cycle(_FRAMES[kind])
        for value in _listed(values):
            for frame in (next(frames), next(frames)) if kind == "[phone]" else (next(frames),):
                sentences.append((frame.format(value), frame.format(kind), kind))
    return sentences


def look_alikes() -> list[str]:
    """Sentences without personal data."""
    return _listed(_LOOK_ALIKES)


def scores() -> dict[str, tuple[int, int, int]]:
    """Per placeholder: (found exactly, there, masked as this in a sentence without any); "all" sums them."""
    by_kind: dict[str, tuple[int, int, int]] = {}
    for kind in _FRAMES:
        there = [(sentence, wanted) for sentence, wanted, of in positives() if of == kind]
        found = sum(mask(sentence)[0] == wanted for sentence, wanted in there)
        by_kind[kind] = (found, len(there), sum(kind in mask(one)[0] for one in look_alikes()))
    found, there_are, wrong = (sum(column) for column in zip(*by_kind.values(), strict=True))
    return {**by_kind, "all": (found, there_are, wrong)}


if __name__ == "__main__":
    print(f"{len(positives())} sentences with personal data, {len(look_alikes())} with look-alikes")
    print("| placeholder | recall | precision |\n|---|---|---|")
    for kind, (found, there, wrong) in scores().items():
        print(
            f"| {kind} | {found / there:.3f} ({found} of {there}) | {found / max(1, found + wrong):.3f} ({wrong} wrong) |"
        )
