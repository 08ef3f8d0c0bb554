"""What the names and values of columns mean, in the languages of European banks.

A word is compared with the parts of a name, without case and accents: `age` is found in `customer_age` and not in
`average`. A word with a star may be part of a compound: `*dauer` is found in `Gesprächsdauer`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

_BORDER: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|[^0-9A-Za-z]+")
_SPELLED: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ł": "l"})


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TARGET: Final = _words(
    "y target label *subscri* subscribed deposit converted conversion response *abschluss* *abgeschlossen* zusage "
    "*souscri* *suscri* *contratad* *subscrev* adesao aderiu *sottoscri* adesione *afgesloten* lokata"
)
AFTER_THE_CALL: Final = _words(
    "*duration* *dauer* duree duracion duracao durata *duur* czas talktime *calllength* *hangup* *wrapup* *disposition*"
)
IDENTIFIER: Final = _words("id *nr *nummer *numero number no key code *schluessel uuid guid rowid index ident numer")
CUSTOMER: Final = _words("customer client *kunde* cliente klant klient person persoon party")
ATTEMPTS: Final = _words("campaign *attempt* *versuch* *tentativ* *intento* *poging* *prob kampagnenkontakte")
DAYS_SINCE: Final = _words("pdays *dayssince* *tageseit* *diasdesde* *joursdepuis* *giornidal* *dagensinds* *dniod*")
PREVIOUS: Final = _words(
    "previous poutcome prior *vorherig* *frueher* vorkampagne *anterior* *precedent* vorige *poprzedni*"
)
CHANNEL: Final = _words("channel contact *kanal* *kontaktart* canal canale kanaal *telefonart*")
DATE: Final = _words("*date* *datum* fecha data")
CONTACT: Final = _words("*contact* *call* *kontakt* *anruf* *appel* *llamada* *chamada* *chiamata* *gesprek* *rozmow*")
DAY: Final = _words("day tag dia jour giorno dag dzien")
MONTH: Final = _words("month monat mes mois mese maand miesiac")
WEEKDAY: Final = _words("*weekday* *dayofweek* *wochentag* diasemana joursemaine weekdag dow")
AGE: Final = _words("age alter edad idade eta leeftijd wiek *lebensalter*")
PROTECTED: Final = AGE + _words(
    "*birth* *geburt* *nacimiento* *naissance* *nascimento* nascita *geboorte* urodzenia dob sex gender *geschlecht* "
    "sexo sexe sesso geslacht plec marital *familienstand* *estadocivil* *etatcivil* *situationfamiliale* "
    "*statocivile* *burgerlijkestaat* *stancywilny* *nationali* *staatsangehoerigkeit* *nacionalidad* *nazionalita* "
    "obywatelstwo *religi* konfession *ethnic* race *disabilit* *behinderung* *pregnan*"
)
MONEY: Final = _words(
    "eur euro *balance* saldo *betrag* *guthaben* *umsatz* *einkommen* *gehalt* *amount* income *salar* solde montant "
    "revenu ingreso importe rendimento renda reddito importo inkomen bedrag kwota dochod"
)
UNITS: Final = {
    "USD": ("usd", "dollar"),
    "CHF": ("chf", "franken"),
    "GBP": ("gbp",),
    "PLN": ("pln", "zloty"),
    "EUR": MONEY,
    "days": (*DAYS_SINCE, *_words("days *tage dias jours giorni dagen dni")),
    "months": _words("months monate meses mois mesi maanden miesiace"),
    "years": (*AGE, *_words("years jahre anos annees anni jaren lata")),
    "min": _words("min minutes minuten minutos minuti"),
    "s": (*AFTER_THE_CALL, *_words("sec secs seconds sekunden segundos secondes secondi")),
    "%": _words("pct percent *prozent* percentual *quote* *rate zins"),
}
GROUPS: Final = {
    "Earlier campaigns": (*PREVIOUS, *DAYS_SINCE),
    "This call": (*ATTEMPTS, *CHANNEL, *DATE, *CONTACT),
    "Accounts": (
        *MONEY,
        *_words("*account* *konto* *loan* *kredit* *credit* housing *hypothe* *card* *karte* cuenta compte conto"),
        *_words("conta *prestamo* pret prestito *emprestimo* default depot *product* *produkt*"),
    ),
}

# Values of yes/no columns, no first, and words that say that nothing is known; see also `NULL_WORDS`.
NO_YES: Final = (
    ("no", "yes"), ("0", "1"), ("n", "y"), ("false", "true"), ("f", "t"), ("nein", "ja"), ("n", "j"), ("nao", "sim"),
    ("no", "si"), ("non", "oui"), ("n", "o"), ("n", "s"), ("nee", "ja"), ("nie", "tak"), ("n", "t"),
)  # fmt: skip
NOT_KNOWN: Final = frozenset(
    _words("na nan null none nil unknown unk missing unbekannt inconnu desconocido desconhecido sconosciuto onbekend")
)
MONTHS: Final = tuple(
    _words(line)
    for line in (
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "january february march april may june july august september october november december",
        "jan feb mrz apr mai jun jul aug sep okt nov dez",
        "jan feb maer apr mai jun jul aug sep okt nov dez",
        "januar februar maerz april mai juni juli august september oktober november dezember",
        "ene feb mar abr may jun jul ago sep oct nov dic",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "jan fev mar abr mai jun jul ago set out nov dez",
        "gen feb mar apr mag giu lug ago set ott nov dic",
        "janv fevr mars avr mai juin juil aout sept oct nov dec",
        "1 2 3 4 5 6 7 8 9 10 11 12",
        "01 02 03 04 05 06 07 08 09 10 11 12",
    )
)
WEEKDAYS: Final = tuple(
    _words(line)
    for line in (
        "mon tue wed thu fri sat sun",
        "monday tuesday wednesday thursday friday saturday sunday",
        "mo di mi do fr sa so",
        "montag dienstag mittwoch donnerstag freitag samstag sonntag",
        "lun mar mie jue vie sab dom",
        "seg ter qua qui sex sab dom",
        "lun mar mer jeu ven sam dim",
        "lun mar mer gio ven sab dom",
        "ma di wo do vr za zo",
    )
)


def parts(text: str) -> list[str]:
    """The parts of a name, in lower case and plain letters."""
    spelled = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_SPELLED))
    letters = "".join(letter for letter in spelled if not unicodedata.combining(letter))
    return _BORDER.sub(" ", letters).lower().split()


def plain(text: str) -> str:
    """A name or value in lower case and plain letters and digits."""
    return "".join(parts(text))


def means(name: str, words: Iterable[str]) -> bool:
    """Whether a name has one of the words."""
    found = parts(name)
    whole = "".join(found)
    return any(fnmatchcase(whole, word) or word in found for word in words)


def places(texts: Iterable[str], tables: Iterable[tuple[str, ...]]) -> dict[str, int] | None:
    """The place of each text in the first table that has them all, or None."""
    spelled = {text: plain(text) for text in texts}
    for table in tables:
        if set(spelled.values()) <= set(table):
            return {text: table.index(letters) for text, letters in spelled.items()}
    return None
